"""`fac features`, `feature`, `name`: features and what they mean."""

from __future__ import annotations

from typing import Annotated

import typer

from fac_core.cli import context
from fac_core.cli.context import Delta, Json, Project, Reviewer, SpaceName
from fac_core.cli.show import plural, safe, short, show, table


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (features, feature, name):
        app.command()(command)


def features(
    search: Annotated[str, typer.Option("--search", "-s", help="Words in the name, or a feature's number.")] = "",
    state: Annotated[
        list[str] | None, typer.Option(help="covered, missing, undersampled, dense, template, ...")
    ] = None,
    relevant: Annotated[
        bool | None, typer.Option("--relevant/--unrelated", help="Only those of the task, or not.")
    ] = None,
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
    from fac_core.features.relevance import effect_name
    from fac_core.features.table import feature_page

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        at = context.delta_of(ws, space_id, delta)
        found = feature_page(
            ws,
            space_id,
            at,
            search=search,
            states=state or (),
            relevant=relevant,
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
        heads = [
            ">feature",
            "state",
            "relevant",
            ">anchor",
            ">seed",
            ">added",
            ">max",
            f">{effect_name(ws, space_id)}",
            "name",
        ]
        value = {**context.where(ws, space_id, at), "total": found.total, "rows": found.rows}
        show(value, [*table(heads, rows), f"{plural(found.total, 'feature')} at δ = {at:g}"], as_json)


def feature(
    feature_id: Annotated[int, typer.Argument(help="Number of the feature.")],
    n: Annotated[int, typer.Option("--examples", "-n", min=0, help="Examples of each band.")] = 4,
    delta: Delta = None,
    space: SpaceName = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Show one feature: name, counts, tests, explanations and scores, examples, neighbours, boosted tokens."""
    from fac_core.cli.scores import lines as said_of
    from fac_core.features.detail import feature_detail
    from fac_core.features.examples import examples
    from fac_core.features.explained import overview

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        at = context.delta_of(ws, space_id, delta)
        found = feature_detail(ws, space_id, feature_id, at)
        bands = examples(ws, space_id, feature_id, at, n) if n else {}
        row = found.row
        lines = [
            f"feature {row.feature_id}  {safe(row.name) or '(no name)'}  {row.state}, "
            f"{'relevant' if row.relevant else 'not relevant'}",
            f"anchor {row.n_anchor:,} · seed {row.n_seed:,} · added {row.n_synthetic:,} above δ = {at:g}; "
            f"maximum {row.max_value:.2f}",
        ]
        lines += [
            f"{test.method}: {test.effect_name} {test.effect:.3f}, q = {test.q_value:.2g}, n = {test.n_active:,}, "
            f"{test.direction}"
            for test in found.relevance
        ]
        explained = overview(ws, space_id, feature_id)
        lines += said_of(explained)
        for band, shown in bands.items():
            lines += [f"{band}:", *(f"  {each.value:6.2f}  {short(each.text, 100)}" for each in shown)]
        near = [f"{other} {safe(named)} ({cosine:.2f})" for other, named, cosine in found.neighbours[:5]]
        lines += [f"near: {', '.join(near)}"] if near else []
        lines += [f"boosts: {', '.join(repr(token) for token, _ in found.tokens)}"] if found.tokens else []
        value = {"feature": found, "explained": explained._asdict(), "examples": bands}
        show({**context.where(ws, space_id, at), **value}, lines, as_json)


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
