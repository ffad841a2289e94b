"""`fac features`, `name`: features and what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fac_core.cli import context, feature
from fac_core.cli.context import Delta, Json, Project, Reviewer, SpaceName
from fac_core.cli.show import plural, safe, show, table

if TYPE_CHECKING:
    from fac_core.features.trust import Evidence


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (features, name):
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
    theme: Annotated[int | None, typer.Option(help="Only those of this theme, by its number.")] = None,
    cluster: Annotated[int | None, typer.Option(help="Only those of this decoder cluster, by its number.")] = None,
    max_density: Annotated[
        float | None, typer.Option(min=0, max=1, help="Highest share of anchor samples it fires on.")
    ] = None,
    meaning: Annotated[bool, typer.Option("--meaning", help="Search by meaning instead of words.")] = False,
    sort: Annotated[
        str, typer.Option(help="anchor, seed, synthetic, density, max, effect, q, lift, score, name or id.")
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
    from fac_core.features.relevance import effect_name
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
            theme=theme,
            cluster=cluster,
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
                "" if row.effect is None else f"{row.effect:.2f}{'*' * row.below_delta}",
                row.trust,
                "" if row.score is None else f"{told(row.score)}{'*' * row.below_delta}",
                row.name,
            ]
            for row in found.rows
        ]
        heads = [
            ">feature",
            "state",
            "relevant",
            ">anchor",
            ">seed",
            ">added",
            ">max",
            f">{effect_name(ws, space_id)}",
            "trust",
            "score",
            "name",
        ]
        lines = [*table(heads, rows), f"{plural(found.total, 'feature')} at δ = {at:g}"]
        if any(row.below_delta and (row.effect is not None or row.score is not None) for row in found.rows):
            lines.append("* above δ in no sample of the anchor: rests on activations below δ, in the anchor at least")
        show({**context.where(ws, space_id, at), "total": found.total, "rows": found.rows}, lines, as_json)


def told(score: Evidence) -> str:
    """A score with its interval and n, for a cell."""
    bounds = "" if score.low is None or score.high is None else f" [{score.low:.2f}, {score.high:.2f}]"
    few = " too few" if score.too_few else ""
    return f"{score.value:.2f}{bounds} {score.n_firing}+{score.n_silent}{few}"


def name(
    feature_id: Annotated[int, typer.Argument(help="Number of the feature.")],
    text: Annotated[str, typer.Argument(help="The name; empty brings back what it is called without.")],
    space: SpaceName = None,
    reviewer: Reviewer = None,
    named: Project = None,
) -> None:
    """Name a feature; every name it had is kept."""
    from fac_core.features.naming import rename

    with context.opened(named) as ws:
        rename(ws, context.space_of(ws, space), feature_id, text, context.reviewer_of(ws, reviewer))
    typer.echo(f"Feature {feature_id}: {safe(text) or 'the name a person gave is taken back'}.")
