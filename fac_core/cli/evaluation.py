"""`fac evaluate`: what the approved samples changed, in coverage and in the texts themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from fac_core.cli import context
from fac_core.cli.context import Delta, Json, Project, RowsBy, SpaceName
from fac_core.cli.show import plural, safe, show

if TYPE_CHECKING:
    from fac_core.evaluation.change import Measured


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(evaluate)


def evaluate(
    rows_by: RowsBy = "theme",
    delta: Delta = None,
    space: SpaceName = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Compare the seed set before and after: FAC with its interval, what was closed, and diversity of the texts."""
    from fac_core.evaluation.change import change, closed_by_row
    from fac_core.evaluation.texts import text_diversity

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        at = context.delta_of(ws, space_id, delta)
        found, closed = change(ws, space_id, at), closed_by_row(ws, space_id, at, rows_by)
        texts = text_diversity(ws)
        before, after, rise = found.before, found.after, found.rise
        lines = [
            f"FAC {_share(before)} → {_share(after)}, rise {_share(rise)} at δ = {at:g}",
            f"{plural(found.n_added, 'sample')} added to {found.n_seed:,}; {plural(rise.n, 'feature')} closed, "
            f"{found.per_sample:.2f} a sample",
            f"distinct-2 at {texts.equal_words:,} words {texts.before_equal.distinct_2:.3f} → "
            f"{texts.after_equal.distinct_2:.3f}",
            *(f"  closed {each.n_closed} of {each.n_anchor}: {safe(each.name)}" for each in closed[:10]),
        ]
        show({**context.where(ws, space_id, at), "change": found, "closed": closed, "texts": texts}, lines, as_json)


def _share(found: Measured) -> str:
    return f"{found.share:.4f} [{found.low:.4f}, {found.high:.4f}]"
