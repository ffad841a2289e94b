"""`fac features`, `relevance`, `judge`, `name`: features and what they mean."""

from __future__ import annotations

from typing import Annotated

import typer

from fac_core.cli import context, feature
from fac_core.cli.context import Delta, Json, Project, Reviewer, SpaceName
from fac_core.cli.show import plural, safe, show, table
from fac_core.errors import InputError


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (features, relevance, judge, name):
        app.command()(command)
    app.add_typer(feature.group, name="feature")


def features(
    search: Annotated[str, typer.Option("--search", "-s", help="Words in the name, or a feature's number.")] = "",
    state: Annotated[
        list[str] | None, typer.Option(help="covered, missing, undersampled, dense, template, ...")
    ] = None,
    relevant: Annotated[
        bool | None, typer.Option("--relevant/--unrelated", help="Only those of the task, or not.")
    ] = None,
    listed: Annotated[str | None, typer.Option("--list", help="Only those on this list.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only those with this tag.")] = None,
    joined: Annotated[
        list[str] | None, typer.Option(help="By what joined it to its family: firing, decoder, both or alone.")
    ] = None,
    max_density: Annotated[
        float | None, typer.Option(min=0, max=1, help="Highest share of anchor samples it fires on.")
    ] = None,
    meaning: Annotated[bool, typer.Option("--meaning", help="Search by meaning instead of words.")] = False,
    sort: Annotated[
        str, typer.Option(help="anchor, seed, synthetic, density, max, effect, q, lift, name or id.")
    ] = "anchor",
    ascending: Annotated[bool, typer.Option("--ascending", help="Smallest first.")] = False,
    top: Annotated[int, typer.Option(min=1, max=100, help="Rows of a page.")] = 20,
    page: Annotated[int, typer.Option(min=1)] = 1,
    delta: Delta = None,
    space: SpaceName = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """List features with their counts, state and name."""
    from fac_core.cli.waiting import settle
    from fac_core.features.marks import LIST, TAG, members
    from fac_core.features.semantic_search import features_by_meaning, start_index
    from fac_core.features.table import GIVEN, feature_page

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        at = context.delta_of(ws, space_id, delta)
        among: list[int] | None = None
        if meaning:
            if start_index(ws, space_id):
                settle(ws)
            among = [hit.id for hit in features_by_meaning(ws, space_id, search)]
            search, sort, ascending = "", GIVEN, False
        for kind, mark in ((LIST, listed), (TAG, tag)):
            if mark is not None:
                marked = members(ws, space_id, kind, mark)
                among = marked if among is None else [each for each in among if each in set(marked)]
        found = feature_page(
            ws,
            space_id,
            at,
            search=search,
            states=state or (),
            relevant=relevant,
            joined=joined or (),
            max_density=max_density,
            among=among,
            sort=sort,
            descending=not ascending,
            page=page,
            page_size=top,
        )
        rows = [
            [
                str(row.feature_id),
                row.state,
                "yes" if row.relevant else "no",
                f"{row.n_anchor:,}",
                f"{row.n_seed:,}",
                f"{row.n_synthetic:,}",
                f"{row.max_value:.2f}",
                "" if row.effect is None else f"{row.effect:.2f}",
                row.name,
            ]
            for row in found.rows
        ]
        heads = [">feature", "state", "relevant", ">anchor", ">seed", ">added", ">max", ">AUROC", "name"]
        value = {**context.where(ws, space_id, at), "total": found.total, "rows": found.rows}
        show(value, [*table(heads, rows), f"{plural(found.total, 'feature')} at δ = {at:g}"], as_json)


def relevance(
    mode: Annotated[str | None, typer.Option(help="What decides: label, alive, or auto.")] = None,
    top: Annotated[int, typer.Option(min=1, max=100, help="Features shown.")] = 10,
    anew: Annotated[bool, typer.Option("--anew", help="Describe the features even if nothing has changed.")] = False,
    space: SpaceName = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Test which features belong to the task, name them by keywords, and join near-copies into families.

    This is done where what was read, the anchor, its labels or the threshold has changed since the last time.
    """
    from fac_core.cli.waiting import settle
    from fac_core.features.judgement import choose_mode, judge
    from fac_core.features.refresh import refresh
    from fac_core.features.table import feature_page

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        if mode is not None:
            choose_mode(ws, mode)
        refresh(ws, space_id, force=anew)
        settle(ws)
        at = context.delta_of(ws, space_id, None)
        everything = feature_page(ws, space_id, at, page_size=1)
        judged = judge(ws, space_id, everything.total)
        found = feature_page(ws, space_id, at, relevant=True, sort="effect", page_size=top)
        rows = [
            [
                str(row.feature_id),
                "" if row.effect is None else f"{row.effect:.3f}",
                "" if row.q_value is None else f"{row.q_value:.2g}",
                "" if row.lift is None else f"{row.lift:.1f}",
                f"{row.n_anchor:,}",
                row.state,
                row.name,
            ]
            for row in found.rows
        ]
        said = (
            f"{plural(judged.n_by_label, 'feature')} of {everything.total:,} are associated with the task "
            f"(false-discovery rate 0.1); relevance is decided by: {judged.mode}"
        )
        value = {
            **context.where(ws, space_id, at),
            "mode": judged.mode,
            "n_by_label": judged.n_by_label,
            "top": found.rows,
        }
        heads = [">feature", ">AUROC", ">q", ">lift", ">anchor", "state", "keywords"]
        show(value, [said, *table(heads, rows)], as_json)


def judge(
    feature_id: Annotated[int, typer.Argument(help="Number of the feature.")],
    verdict: Annotated[str, typer.Argument(help="yes, no, or open (what the tests say).")],
    space: SpaceName = None,
    reviewer: Reviewer = None,
    named: Project = None,
) -> None:
    """Say yourself whether a feature belongs to the task."""
    from fac_core.features.relevance import overrule

    verdicts = {"yes": True, "no": False, "open": None}
    if verdict not in verdicts:
        raise InputError(f"A verdict is yes, no or open, not {verdict[:40]!r}.")
    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        overrule(ws, space_id, feature_id, verdicts[verdict], context.reviewer_of(ws, reviewer))
    typer.echo(f"Feature {feature_id}: {verdict}.")


def name(
    feature_id: Annotated[int, typer.Argument(help="Number of the feature.")],
    text: Annotated[str, typer.Argument(help="The name; empty brings the keywords back.")],
    space: SpaceName = None,
    reviewer: Reviewer = None,
    named: Project = None,
) -> None:
    """Name a feature; every name it had is kept."""
    from fac_core.features.naming import rename

    with context.opened(named) as ws:
        rename(ws, context.space_of(ws, space), feature_id, text, context.reviewer_of(ws, reviewer))
    typer.echo(f"Feature {feature_id}: {safe(text) or 'named by its keywords again'}.")
