"""`fac coverage`, `fac gaps`, `fac heatmap`, `fac worklist`: what the set does not show, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer

from fac_core.cli import context
from fac_core.cli.context import Delta, Json, Project, RowsBy, SpaceName
from fac_core.cli.show import plural, safe, show, table
from fac_core.errors import InputError

worklist = typer.Typer(help="Features to find or write samples for.")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (coverage, gaps, heatmap):
        app.command()(command)
    app.add_typer(worklist, name="worklist")


def coverage(
    sweep: Annotated[bool, typer.Option("--sweep", help="Show FAC at every threshold as well.")] = False,
    delta: Delta = None,
    space: SpaceName = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Measure FAC: the share of the anchor's task-relevant features that the seed set shows, before and after."""
    from fac_core.coverage.measure import coverage as measure
    from fac_core.coverage.sweep import sweep as all_thresholds
    from fac_core.feature_space.health import unfit

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        at = context.delta_of(ws, space_id, delta)
        found = measure(ws, space_id, at)
        points = all_thresholds(ws, space_id) if sweep else []
        hit = "none targeted" if found.missing_hit_rate is None else f"{found.missing_hit_rate:.3f}"
        lines = [
            f"FAC {found.fac:.4f} [{found.low:.4f}, {found.high:.4f}] at δ = {at:g}: {found.n_covered:,} of "
            f"{found.n_anchor:,} features of the anchor",
            f"after what was added {found.fac_after:.4f} ({found.n_after:,}); missing_hit_rate {hit}",
            f"features {found.n_features:,} → alive {found.n_alive:,} → named {found.n_named:,} → "
            f"relevant {found.n_relevant:,} (by {found.relevance_mode}) → in the anchor {found.n_anchor:,}",
            ", ".join(f"{state} {n:,}" for state, n in found.states.items())
            + f"; {plural(found.n_gap_families, 'gap family', 'gap families')}",
        ]
        if unhealthy := unfit(ws, space_id):
            lines.insert(0, f"Do not trust these numbers. {unhealthy.sentence}")
        if found.saturated:
            lines.append("The seed set covers nearly everything at this threshold, so FAC tells little apart; raise δ.")
        elif found.low_power:
            could = f"only {found.n_powered:,}" if found.n_powered else "none"
            lines.append(
                f"Of {plural(found.n_open, 'feature')} that the seed set leaves open {could} could be called missing: "
                "the others are too rare in the anchor for a seed set of this size."
            )
        lines += table(
            [">δ", ">FAC", ">missing"], [[f"{p.delta:g}", f"{p.fac:.4f}", f"{p.n_missing:,}"] for p in points]
        )
        show({**context.where(ws, space_id, at), "coverage": found, "sweep": points}, lines, as_json)


def gaps(
    top: Annotated[int, typer.Option(min=1, help="Gaps shown.")] = 20,
    expand: Annotated[bool, typer.Option("--expand", help="List every feature instead of families.")] = False,
    state: Annotated[
        list[str] | None, typer.Option(help="missing (default), undersampled, dense, template, covered.")
    ] = None,
    delta: Delta = None,
    space: SpaceName = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """List what the anchor shows and the set does not: gaps beyond chance first."""
    from fac_core.coverage.gaps import gaps as list_gaps

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        at = context.delta_of(ws, space_id, delta)
        found = list_gaps(ws, space_id, at, collapse=not expand, states=tuple(state or ("missing",)))
        rows = [
            [
                str(gap.feature_id),
                f"+{len(gap.members) - 1}" if len(gap.members) > 1 else "",
                f"{gap.n_anchor:,}",
                f"{gap.expected_seed:.1f}",
                "–" if gap.chance is None else f"{gap.chance:.1%}",
                "robust" if gap.robust else "",
                gap.name,
                gap.example,
            ]
            for gap in found[:top]
        ]
        heads = [">feature", "family", ">anchor", ">expected", ">by chance", "", "name", "example"]
        said = (
            f"{plural(len(found), 'gap')} at δ = {at:g}, {sum(gap.stands_out for gap in found):,} beyond chance, "
            f"{sum(gap.robust for gap in found):,} at any δ"
        )
        show(
            {**context.where(ws, space_id, at), "total": len(found), "gaps": found[:top]},
            [*table(heads, rows), said],
            as_json,
        )


def heatmap(
    by: Annotated[
        str | None, typer.Option("--by", help="Column to group samples by; without it they are listed.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, max=200, help="Rows shown.")] = 20,
    rows_by: RowsBy = "theme",
    delta: Delta = None,
    space: SpaceName = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Show, by theme or decoder cluster and group of samples, the share of the anchor's features the seed shows."""
    from fac_core.coverage.heatmap import group_columns, left_out
    from fac_core.coverage.heatmap import heatmap as draw
    from fac_core.store.features import CLUSTER

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        at = context.delta_of(ws, space_id, delta)
        if by is None:
            columns = group_columns(ws, space_id)
            said = f"Group by one of: {', '.join(map(safe, columns))}" if columns else "There is nothing to group by."
            show(columns, [said, safe(left_out(ws))], as_json)
            return
        found = draw(ws, space_id, at, by, max_rows=rows, rows_by=rows_by)
        names = [name or str(row_id) for row_id, name in found.rows]
        kind = "decoder cluster" if found.row_kind == CLUSTER else found.row_kind
        cells = [
            [named, *("·" if value != value else f"{value:.2f}" for value in shares)]
            for named, shares in zip(names, found.share.tolist(), strict=True)
        ]
        lines = table([kind, *(f">{group}" for group in found.groups)], cells, wide=0)
        show(found, [*lines, safe(left_out(ws))], as_json)


@worklist.callback(invoke_without_command=True)
def list_by_default(
    run: typer.Context, delta: Delta = None, space: SpaceName = None, named: Project = None, as_json: Json = False
) -> None:
    """Features to find or write samples for."""
    if run.invoked_subcommand is None:
        list_all(delta, space, named, as_json)


@worklist.command("list")
def list_all(delta: Delta = None, space: SpaceName = None, named: Project = None, as_json: Json = False) -> None:
    """List the work list."""
    from fac_core.coverage.worklist import worklist as items

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        found = items(ws, space_id, context.delta_of(ws, space_id, delta))
        rows = [[str(item.feature_id), item.state, f"{item.n_anchor:,}", item.added_from, item.name] for item in found]
        lines = table([">feature", "state", ">anchor", "from", "name"], rows) or ["The work list is empty."]
        show(found, lines, as_json)


@worklist.command("add")
def add(
    feature_ids: Annotated[
        list[int] | None, typer.Argument(metavar="[FEATURE]...", help="Numbers of features.")
    ] = None,
    top: Annotated[int | None, typer.Option(min=1, help="The first N gaps of the list, one feature each.")] = None,
    families: Annotated[bool, typer.Option("--families", help="With --top: every feature of each family.")] = False,
    delta: Delta = None,
    space: SpaceName = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Put features into the work list, by number or from the top of the gap list."""
    from fac_core.coverage import worklist as verbs
    from fac_core.coverage.gaps import gaps as list_gaps

    if bool(feature_ids) == (top is not None):
        raise InputError("Name features by number, or use --top N for the first gaps.")
    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        wanted = list(feature_ids or [])
        if top is not None:
            found = list_gaps(ws, space_id, context.delta_of(ws, space_id, delta))[:top]
            wanted = [member for gap in found for member in (gap.members if families else [gap.feature_id])]
        n = verbs.add(ws, space_id, wanted, "command line")
        held = verbs.in_worklist(ws, space_id)
        show(
            {"added": n, "worklist": held}, [f"{plural(n, 'feature')} added; the work list has {len(held):,}."], as_json
        )


@worklist.command("remove")
def remove(
    feature_ids: Annotated[list[int] | None, typer.Argument(metavar="[FEATURE]...")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Empty the list.")] = False,
    space: SpaceName = None,
    named: Project = None,
) -> None:
    """Take features off the work list."""
    from fac_core.coverage import worklist as verbs

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        n = verbs.remove(ws, space_id, verbs.in_worklist(ws, space_id) if everything else feature_ids or [])
    typer.echo(f"{plural(n, 'feature')} taken off the list.")
