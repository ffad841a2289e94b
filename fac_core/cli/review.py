"""`fac review`, `fac export`, `fac verify`: a person decides, and what was approved leaves with its provenance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from fac_core.cli import context
from fac_core.cli.context import Json, Project, Reviewer, SpaceName
from fac_core.cli.show import plural, safe, say, short, show, table
from fac_core.errors import InputError

review = typer.Typer(no_args_is_help=True, help="Decide on candidates: approve, reject, edit, skip, undo.")
CandidateId = Annotated[str, typer.Argument(metavar="ID", help="Candidate, see `fac review list`.")]
CandidateIds = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Candidates, see `fac review list`.")]
Top = Annotated[int | None, typer.Option("--top", min=1, help="The first N of the queue instead of ids.")]
Note = Annotated[str | None, typer.Option("--note", help="Anything worth keeping.")]
Label = Annotated[
    str | None,
    typer.Option("--label", help="Label to approve them with, where the task has labels (default: their own)."),
]
Reason = Annotated[
    str,
    typer.Option("--reason", help="off_topic, unnatural, wrong_label, unsafe_detail, near_copy, bad_format, other."),
]
Revision = Annotated[
    int | None,
    typer.Option("--revision", min=0, help="Decide only if nobody has since this revision (default: as it stands)."),
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(review, name="review")
    app.command()(export)
    app.command()(verify)


@review.command("list")
def list_queue(
    state: Annotated[str, typer.Option(help="waiting, approved or rejected.")] = "waiting",
    top: Annotated[int, typer.Option(min=1, help="Candidates shown.")] = 30,
    space: SpaceName = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """List candidates: those that wait, in the order in which they add most to coverage, or those decided on."""
    from fac_core.review.candidates import candidates
    from fac_core.review.queue import counts, queue

    if state not in ("waiting", "approved", "rejected"):
        raise InputError(f"Candidates are waiting, approved or rejected, not {state[:40]!r}.")
    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        n = counts(ws, space_id)
        said = f"{n.pending} pending, {n.skipped} skipped, {n.approved} approved, {n.rejected} rejected"
        if state == "waiting":
            found = queue(ws, space_id)[:top]
            rows = [
                [f.candidate_id, str(f.feature_id), f"{f.value:.2f}", str(f.n_new), f.state, f.feature_name, f.text]
                for f in found
            ]
            heads = ["id", ">feature", ">value", ">new", "state", "name", "text"]
            show({"counts": n, "queue": found}, [*table(heads, rows), said], as_json)
            return
        decided = [found for found in candidates(ws, space_id) if found.state == state][:top]
        rows = [
            [c.candidate_id, str(c.feature_id), f"{c.value:.2f}", event.reviewer, event.reason or "", c.text]
            for c in decided
            if (event := c.standing.decision)
        ]
        heads = ["id", ">feature", ">value", "by", "reason", "text"]
        show({"counts": n, state: decided}, [*table(heads, rows), said], as_json)


@review.command("show")
def show_card(
    candidate_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Default: the next of the queue.")] = None,
    space: SpaceName = None,
    reviewer: Reviewer = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Show one candidate with everything needed to decide."""
    from fac_core.review.queue import card, next_item

    with context.opened(named) as ws:
        if candidate_id is None:
            found = next_item(ws, context.space_of(ws, space), context.reviewer_of(ws, reviewer))
        else:
            found = card(ws, candidate_id)
        if found is None:
            show(None, ["Nothing waits for review."], as_json)
            return
        rank = "" if found.percentile is None else f", {found.percentile:.0%} of the anchor's firing samples reach less"
        lines = [
            f"{safe(found.candidate_id)}  {found.state}, revision {found.revision}",
            *([f"label {safe(found.label or 'none yet')}"] if found.label_words else []),
            f"feature {found.target_feature} {safe(found.target_name)}: {found.value:.2f} at δ = {found.delta:g}{rank}",
            *(f"  | {safe(line)}" for line in found.item.splitlines()),
            f"covers {', '.join(f'{feature} {safe(name)}' for feature, name in found.newly_covers) or 'nothing new'}",
            f"FAC {found.fac_now:.4f} · if approved {found.fac_if_approved:.4f} · "
            f"if rejected {found.fac_if_rejected:.4f}",
        ]
        for what, near in (("seed", found.nearest_seed), ("accepted", found.nearest_accepted)):
            lines += [f"nearest {what} ({near.similarity:.2f}): {short(near.text, 90)}"] if near else []
        show(found, lines, as_json)


@review.command("approve")
def approve(
    ids: CandidateIds = None, top: Top = None, label: Label = None, note: Note = None, revision: Revision = None,
    space: SpaceName = None, reviewer: Reviewer = None, named: Project = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Approve candidates; one without a label needs one, where the task has labels."""
    _decide_all("approve", ids, top, _Said(note=note, label=label), revision, space, reviewer, named, as_json)


@review.command("reject")
def reject(
    ids: CandidateIds = None,
    reason: Reason = "other",
    top: Top = None, note: Note = None, revision: Revision = None,
    space: SpaceName = None, reviewer: Reviewer = None, named: Project = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Reject candidates; a gap that only they closed opens again."""
    _decide_all("reject", ids, top, _Said(reason, note), revision, space, reviewer, named, as_json)


@review.command("skip")
def skip(
    ids: CandidateIds = None, top: Top = None, revision: Revision = None,
    space: SpaceName = None, reviewer: Reviewer = None, named: Project = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Put candidates last."""
    _decide_all("skip", ids, top, _Said(), revision, space, reviewer, named, as_json)


@review.command("edit")
def edit(
    candidate_id: CandidateId,
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="The new text, in the form `fac review show` prints it.")
    ] = None,
    changed: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=TEXT", help="One field instead; repeat for more.")
    ] = None,
    revision: Revision = None,
    reviewer: Reviewer = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Replace a candidate's text; it is read again and waits for approval."""
    from fac_core.review.decisions import decide
    from fac_core.review.queue import card
    from fac_core.tasks import load_task

    if (text is None) == (not changed):
        raise InputError("Give the new text, or fields with --set FIELD=TEXT.")
    with context.opened(named) as ws:
        before = card(ws, candidate_id)
        fields = before.fields | _set(changed or [])
        if text is not None:
            fields = load_task(ws.task).fields_of_edited(text, before.fields)
        at = before.revision if revision is None else revision
        done = decide(ws, candidate_id, context.reviewer_of(ws, reviewer), "edit", fields=fields, revision=at)
        after = card(ws, candidate_id)
        fires = "fires" if after.verified else "does not fire enough"
        show(
            done, [f"{safe(candidate_id)}: edited; feature {after.target_feature} {fires} ({after.value:.2f})"], as_json
        )


@review.command("undo")
def undo(reviewer: Reviewer = None, named: Project = None, as_json: Json = False) -> None:
    """Take back your last decision."""
    from fac_core.review.decisions import undo as take_back

    with context.opened(named) as ws:
        done = take_back(ws, context.reviewer_of(ws, reviewer))
        show(done, [f"{safe(done.candidate_id)}: {done.undid} taken back, now {done.state}"], as_json)


@review.command("rebuild")
def rebuild(named: Project = None) -> None:
    """Rebuild the approved samples from the log of decisions."""
    from fac_core.review.approved import rebuild as from_events

    with context.opened(named) as ws:
        n = from_events(ws)
    typer.echo(f"Rebuilt; {plural(n, 'sample')} had to be put right.")


def export(
    format: Annotated[str, typer.Option("--format", "-f", help="jsonl, parquet or csv.")] = "jsonl",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="New folder (default: one in the project).")] = None,
    guard: Annotated[bool, typer.Option(help="CSV: put an apostrophe before texts a spreadsheet would run.")] = True,
    space: SpaceName = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Write the approved samples with provenance, manifest, card and digests."""
    from fac_core.review.export import export as write

    with context.opened(named) as ws:
        done = write(ws, context.space_of(ws, space), format, out, guard=guard)
        measured = done.manifest["coverage"]
        lines = [
            f"{plural(done.n_rows, 'sample')} in {done.folder}: {', '.join(done.files)}",
            f"FAC {measured['fac_before']:.4f} → {measured['fac_after']:.4f} at δ = {measured['delta']:g}",
        ]
        show(done, lines, as_json)


def verify(folder: Annotated[Path, typer.Argument(help="An exported folder.")], as_json: Json = False) -> None:
    """Check an exported folder: no byte changed, no file missing, none added. Exit code 1 if it fails."""
    from fac_core.review.verify import verify as check

    found = check(folder)
    verdict = f"{plural(found.n_files, 'file')} as exported." if found.ok else "This is not what was exported."
    show({"ok": found.ok, **vars(found)}, [*map(safe, found.problems), verdict], as_json)
    if not found.ok:
        raise typer.Exit(1)


class _Said(NamedTuple):
    """What goes with a decision, as `decide` takes it."""

    reason: str | None = None
    note: str | None = None
    label: str | None = None


def _set(changed: list[str]) -> dict[str, str]:
    """Fields as given on the command line, FIELD=TEXT."""
    parts = [each.partition("=") for each in changed]
    if wrong := next((name for name, equals, _ in parts if not equals), None):
        raise InputError(f"--set takes FIELD=TEXT, not {wrong[:40]!r}.")
    return {name.strip(): text for name, _, text in parts}


def _decide_all(
    action: str,
    ids: list[str] | None,
    top: int | None,
    said: _Said,
    revision: int | None,
    space: str | None,
    reviewer: str | None,
    named: str | None,
    as_json: bool,
) -> None:
    from fac_core.coverage.measure import coverage
    from fac_core.review.decisions import decide
    from fac_core.review.queue import card, queue

    if bool(ids) == (top is not None):
        raise InputError("Name candidates by id, or use --top N for the first of the queue.")
    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        chosen = ids or [item.candidate_id for item in queue(ws, space_id)[:top]]
        who = context.reviewer_of(ws, reviewer)
        revisions = {candidate_id: card(ws, candidate_id).revision for candidate_id in chosen}
        done, refused = [], {}
        for candidate_id, at in revisions.items():
            try:
                at = at if revision is None else revision
                done.append(decide(ws, candidate_id, who, action, revision=at, **said._asdict()))
            except InputError as error:
                refused[candidate_id] = str(error)
        measured = coverage(ws, space_id, context.delta_of(ws, space_id, None))
        lines = [f"{safe(each.candidate_id)}: {each.state}" for each in done]
        lines.append(f"FAC {measured.fac:.4f} → {measured.fac_after:.4f} at δ = {measured.delta:g}")
        found = {"decisions": done, "refused": refused, "fac": measured.fac, "fac_after": measured.fac_after}
        show(found, lines, as_json)
    for candidate_id, why in refused.items():
        say(f"{candidate_id}: {why}")
    if refused:
        raise typer.Exit(1)
