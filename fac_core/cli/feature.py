"""`fac feature NUMBER` shows one feature; `fac feature tag`, `list` and `note` keep what a person thinks of it.

A number is no command of the group, so whatever is none of its commands is taken as the number of a feature.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fac_core.cli import context
from fac_core.cli.context import Delta, Json, Project, Reviewer, SpaceName
from fac_core.cli.show import plural, safe, short, show, table
from fac_core.errors import InputError


class _OrNumber(TyperGroup):
    """A group whose first word may also be the argument of its command `show`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `show` before what is none of the group's commands."""
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args = ["show", *args]
        found: list[str] = super().parse_args(ctx, args)
        return found


group = typer.Typer(
    cls=_OrNumber, no_args_is_help=True, help="Show one feature (fac feature NUMBER), tag it, list it, note something."
)
Ids = Annotated[list[int] | None, typer.Argument(help="Numbers of features; none shows what there is.")]
Remove = Annotated[bool, typer.Option("--remove", help="Take it away instead.")]


@group.command("show")
def show_one(
    feature_id: Annotated[int, typer.Argument(help="Number of the feature.")],
    n: Annotated[int, typer.Option("--examples", "-n", min=0, help="Examples of each band.")] = 4,
    delta: Delta = None,
    space: SpaceName = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Show one feature: name, counts, tests, explanations with scores, examples, related ones, tokens, marks."""
    from fac_core.cli.scores import lines as said_of
    from fac_core.features.coactive import coactive
    from fac_core.features.detail import feature_detail
    from fac_core.features.examples import examples
    from fac_core.features.explained import overview
    from fac_core.features.marks import marks

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        at = context.delta_of(ws, space_id, delta)
        found = feature_detail(ws, space_id, feature_id, at)
        together = coactive(ws, space_id, feature_id, at, 5)
        kept = marks(ws, space_id, feature_id)
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
        for word, rows in (("near", found.neighbours), ("opposite", found.opposites)):
            listed = [f"{other} {safe(called)} ({cosine:.2f})" for other, called, cosine in rows[:5]]
            lines += [f"{word}: {', '.join(listed)}"] if listed else []
        lines += [
            f"co-active: {each.feature_id} {safe(each.name)} (NPMI {each.npmi:.2f}, "
            f"{plural(each.n_together, 'sample')})"
            for each in together
        ]
        lines += [f"family: {each.feature_id} {safe(each.name)} (joined by {each.joined_by})" for each in found.family]
        lines += [
            f"{each.kind.replace('cluster', 'decoder cluster')}: {each.row_id} {safe(each.name)} "
            f"({plural(each.n_features, 'feature')})"
            for each in found.rows
        ]
        lines += [f"{each.kind}: {safe(each.value)} ({safe(each.author)})" for each in kept]
        lines += [f"boosts: {', '.join(repr(token) for token, _ in found.tokens)}"] if found.tokens else []
        value = {
            **context.where(ws, space_id, at),
            "feature": found,
            "explained": explained._asdict(),
            "coactive": together,
            "marks": kept,
            "examples": bands,
        }
        show(value, lines, as_json)


@group.command("text")
def text(
    words: Annotated[str, typer.Argument(help="A text of your own.")],
    max_density: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out features that fire on more of the anchor.")
    ] = 0.1,
    top: Annotated[int, typer.Option(min=1, max=100)] = 20,
    delta: Delta = None,
    space: SpaceName = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """List the features that a text activates."""
    from fac_core.features.text_search import text_features

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        at = context.delta_of(ws, space_id, delta)
        found = text_features(ws, space_id, words, at, max_density)
        rows = [
            [str(each.feature_id), f"{each.value:.2f}", f"{each.density:.1%}", repr(each.token), each.name]
            for each in found.features[:top]
        ]
        said = f"{plural(len(found.features), 'feature')} above δ = {at:g}; {found.n_dense} left out as too dense"
        value = {**context.where(ws, space_id, at), "text": found}
        show(value, [*table([">feature", ">activation", ">anchor", "token", "name"], rows), said], as_json)


@group.command("tag")
def tag(
    value: Annotated[str | None, typer.Argument(help="The tag; none lists the tags in use.")] = None,
    ids: Ids = None,
    remove: Remove = False,
    space: SpaceName = None,
    reviewer: Reviewer = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Tag features, or see what is tagged."""
    _keep("tag", value, ids, remove, space, reviewer, named, as_json)


@group.command("list")
def list_(
    value: Annotated[str | None, typer.Argument(help="The list's name; none shows the lists there are.")] = None,
    ids: Ids = None,
    remove: Remove = False,
    space: SpaceName = None,
    reviewer: Reviewer = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Put features on a list of your own, or see what is on it."""
    _keep("list", value, ids, remove, space, reviewer, named, as_json)


@group.command("note")
def note(
    feature_id: Annotated[int, typer.Argument(help="Number of the feature.")],
    words: Annotated[str, typer.Argument(help="What to note; to take a note away, its very words.")],
    remove: Remove = False,
    space: SpaceName = None,
    reviewer: Reviewer = None,
    named: Project = None,
) -> None:
    """Note something about a feature."""
    _keep("note", words, [feature_id], remove, space, reviewer, named, False)


def _keep(
    kind: str,
    value: str | None,
    ids: list[int] | None,
    remove: bool,
    space: str | None,
    reviewer: str | None,
    named: str | None,
    as_json: bool,
) -> None:
    from fac_core.features.marks import mark, members, names
    from fac_core.store.features import names_of

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        if value is None:
            counted = names(ws, space_id, kind)
            show(counted, [f"{safe(name)}: {plural(n, 'feature')}" for name, n in counted.items()], as_json)
            return
        if not ids:
            if remove:
                raise InputError(f"Say which features lose the {kind}: give their numbers.")
            held = members(ws, space_id, kind, value)
            called = names_of(ws.database, space_id, held)
            show(held, [f"{each}  {safe(called.get(each, ''))}" for each in held], as_json)
            return
        n = mark(ws, space_id, ids, kind, value, context.reviewer_of(ws, reviewer), present=not remove)
        done = "lost" if remove else "got"
        show({"changed": n}, [f"{plural(n, 'feature')} {done} the {kind} {safe(value)!r}."], as_json)
