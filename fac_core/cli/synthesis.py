"""`fac find`, `fac synthesise`, `fac runs`, `fac run`: candidates for the work list, found first, then written."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fac_core.cli import context
from fac_core.cli.context import Delta, Json, Project, SpaceName
from fac_core.cli.explain import DryRun
from fac_core.cli.show import plural, safe, say, show, table
from fac_core.errors import InputError
from fac_core.workspace import Workspace

Features = Annotated[
    list[int] | None, typer.Option("--feature", "-f", help="Only this feature (repeatable; default: the work list).")
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (find, synthesise, runs, run):
        app.command()(command)


def find(
    feature: Features = None, delta: Delta = None, space: SpaceName = None, named: Project = None, as_json: Json = False
) -> None:
    """Search the pool for the fewest real samples that close the work list's gaps."""
    from fac_core.coverage.worklist import in_worklist
    from fac_core.synthesis.find import find_in_pool

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        at = context.delta_of(ws, space_id, delta)
        wanted = list(feature or in_worklist(ws, space_id))
        if not wanted:
            raise InputError("The work list is empty; add gaps with: fac worklist add --top 10")
        n = find_in_pool(ws, space_id, at, wanted)
        value = {**context.where(ws, space_id, at), "found": n, "features": wanted}
        show(
            value,
            [f"{plural(n, 'real sample')} found for {plural(len(wanted), 'feature')}; see: fac review list"],
            as_json,
        )


def synthesise(
    generator: Annotated[
        str, typer.Option("--generator", "-g", help="local, or openai (any compatible endpoint).")
    ] = "local",
    feature: Features = None,
    n_step1: Annotated[int, typer.Option(help="Samples for each feature before its pair is chosen.")] = 6,
    n_step2: Annotated[int, typer.Option(help="Samples for each feature after it.")] = 10,
    temperature: float = 0.9,
    steering: Annotated[float, typer.Option(help="Local model: share of the top activation added; 0 is none.")] = 0.5,
    max_tokens: int = 40,
    model: Annotated[str, typer.Option(help="Endpoint: name of the model.")] = "",
    base_url: Annotated[str, typer.Option(help="Endpoint: its address. The key comes from OPENAI_API_KEY.")] = "",
    cap_money: Annotated[float | None, typer.Option(help="Endpoint: the most the run may spend.")] = None,
    cap_tokens: Annotated[int | None, typer.Option(help="Endpoint: the most tokens it may use, in and out.")] = None,
    pool: Annotated[bool, typer.Option(help="Search the pool first.")] = True,
    seed: int = 0,
    dry_run: DryRun = False,
    wait: Annotated[bool, typer.Option(help="Wait until the run has ended.")] = True,
    delta: Delta = None,
    space: SpaceName = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Write samples for the work list's gaps and check each with the same extractor, for all features."""
    from fac_core.cli.waiting import settle
    from fac_core.synthesis.foreseen import foresee
    from fac_core.synthesis.runs import RunSettings, left_out, start_run

    settings = RunSettings(
        generator=generator,  # type: ignore[arg-type]  # checked when the run starts
        n_step1=n_step1,
        n_step2=n_step2,
        temperature=temperature,
        steering=steering,
        model=model,
        base_url=base_url,
        max_tokens=max_tokens,
        use_pool=pool,
        seed=seed,
        cap_money=cap_money,
        cap_tokens=cap_tokens,
    )
    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        at = context.delta_of(ws, space_id, delta)
        warning = left_out(ws, space_id, feature)
        expected = foresee(ws, space_id, at, settings, feature)
        said = [line for line in (warning, expected.sentence) if line]
        if dry_run:
            show({**context.where(ws, space_id, at), "left_out": warning, "estimate": expected}, said, as_json)
            return
        for line in said:
            say(line)
        run_id = start_run(ws, space_id, at, settings, feature)
        if wait:
            settle(ws)
        show(*_report(ws, run_id), as_json)


def runs(named: Project = None, as_json: Json = False) -> None:
    """List all runs."""
    from fac_core.synthesis.runs import runs as list_runs

    with context.opened(named) as ws:
        found = list_runs(ws)
    rows = [[each.run_id, each.generator, each.state, str(each.n_targets), f"{each.delta:g}"] for each in found]
    show(found, table(["run", "generator", "state", ">features", ">δ"], rows) or ["There is no run yet."], as_json)


def run(
    run_id: Annotated[str | None, typer.Argument(help="Id of the run (default: the newest).")] = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Show a run: each feature with attempts, best value and outcomes; hit rates beside their baseline."""
    from fac_core.synthesis.runs import runs as list_runs

    with context.opened(named) as ws:
        if run_id is None:
            newest = list_runs(ws)
            if not newest:
                raise InputError("There is no run yet; start one with: fac synthesise")
            run_id = newest[0].run_id
        show(*_report(ws, run_id), as_json)


def _report(ws: Workspace, run_id: str) -> tuple[dict[str, Any], list[str]]:
    from fac_core.synthesis.runs import run_summary, run_table

    rows, summary = run_table(ws, run_id), run_summary(ws, run_id)
    shown = [
        [
            str(row.feature_id),
            "closed" if row.closed else "open",
            str(row.attempts),
            f"{row.best_value:.2f}",
            " ".join(f"{outcome} {n}" for outcome, n in row.outcomes.items() if n),
            row.name,
            row.best_text,
        ]
        for row in rows
    ]
    rate = "–" if summary.own_hit_rate is None else f"{summary.own_hit_rate:.3f}"
    shuffled = "–" if summary.shuffled_hit_rate is None else f"{summary.shuffled_hit_rate:.3f}"
    lines = [
        *table([">feature", "", ">tries", ">best", "outcomes", "name", "best sample"], shown),
        f"{safe(run_id)}: {summary.n_closed} of {plural(summary.n_targets, 'feature')} closed, "
        f"{plural(summary.n_candidates, 'sample')} written, {summary.n_found} found; "
        f"own-hit rate {rate} (shuffled baseline {shuffled})",
        *(f"  open: {feature}: {safe(why)}" for feature, why in summary.open),
        "Next: fac review list",
    ]
    return {"run_id": run_id, "summary": summary, "targets": rows}, lines
