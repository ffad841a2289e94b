"""`fac score`, `trust`, `names`: how well explanations tell held-out documents apart, how well they must, and which of
them features are called by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fac_core.cli import context
from fac_core.cli.context import Json, Project, SpaceName
from fac_core.cli.show import plural, safe, say, show, table
from fac_core.errors import InputError

if TYPE_CHECKING:
    from fac_core.features.explained import Overview, Score


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (score, trust, names):
        app.command()(command)


def score(
    feature_id: Annotated[int | None, typer.Argument(help="Number of one feature.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every explanation that has no score yet.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="With --all: those that have one, too.")] = False,
    space: SpaceName = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Score explanations on documents that none was made from, without a language model.

    A feature fires in a document if it is above δ there, or it is one of its ten strongest. (A model that judges, with
    `fac detect`, is given some of each fifth of all activations above 0.)
    """
    from fac_core.cli.waiting import wait
    from fac_core.features.explained import overview
    from fac_core.features.score_job import KIND, score_text, start_scoring
    from fac_core.features.trust import BADGES, UNSCORED, badges

    if everything == (feature_id is not None) or (anew and not everything):
        raise InputError("Say which feature to score, or --all; --anew goes with --all.")
    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        if feature_id is not None:
            for each in overview(ws, space_id, feature_id).explained:
                if each.explanation.says_something:
                    score_text(ws, space_id, feature_id, each.explanation.explanation_id)
            found = overview(ws, space_id, feature_id)
            show({"space": space_id, "feature": feature_id, **found._asdict()}, lines(found), as_json)
            return
        job_id = start_scoring(ws, space_id, anew)
        if not job_id:
            say("Every explanation is scored already, or no held-out document was read.")
        while job_id and wait(ws, job_id).kind != KIND:  # what comes before scores
            job_id = start_scoring(ws, space_id, anew)
        have = badges(ws, space_id)
        counts = {badge: sum(mine == badge for mine in have.values()) for badge in BADGES}
        rows = [[badge, f"{n:,}"] for badge, n in counts.items()]
        said = f"{plural(len(have), 'name')} with a score"
        if counts[UNSCORED]:
            said += f", {counts[UNSCORED]:,} of them of too few documents to say anything"
        show({"space": space_id, "badges": counts}, [*table(["trust", ">features"], rows), said], as_json)


def trust(
    least: Annotated[str | None, typer.Argument(help="any, low, middle or high.")] = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Show or set how far a feature's name must be trusted before texts are written for it."""
    from fac_core.features.trust import least_trust, require_trust

    with context.opened(named) as ws:
        if least is not None:
            require_trust(ws, least)
        now = least_trust(ws)
    show({"least_trust": now}, [f"Least trust before synthesis: {now}"], as_json)


def names(
    by: Annotated[str | None, typer.Argument(help="keywords, model or best.")] = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Show or set what features that no person named are called by.

    `model`: what a model wrote, where it says something and no verifier refuted it. `best`: of that and the keywords
    the one with the higher AUROC on held-out documents; chosen so, the winner's score is a little too good.
    """
    from fac_core.features.naming import call_by, called_by

    with context.opened(named) as ws:
        if by is not None:
            call_by(ws, by)
        now = called_by(ws)
    show({"names_by": now}, [f"Features are named by: {now}"], as_json)


def lines(found: Overview) -> list[str]:
    """Explanations, findings and scores of one feature, for a terminal."""
    said = [f"trust: {found.badge}"]
    if (peaks := found.purity) is not None:
        single = ", a single-token feature" if peaks.is_single_token else ""
        said.append(
            f"peaks: {peaks.share:.0%} {safe(peaks.token)!r} (entropy {peaks.entropy:.1f} bits), before them "
            f"{peaks.before_share:.0%} {safe(peaks.before)!r}, n = {peaks.n}{single}"
        )
    if found.cohesion is not None:
        said.append(_line(found.cohesion))
    for each in found.explained:
        by = each.explanation
        mark = "*" if each.in_force else " "
        said.append(f"{mark} {safe(by.text) or '(cannot tell)'}  [{safe(by.method)}, {safe(by.author)}]")
        said += [f"    {_line(score)}" for score in each.scores]
        said += [f"    earlier, of other documents: {_line(score)}" for score in each.earlier]
        said += [f"    {finding.code}: {safe(finding.sentence)}" for finding in each.findings]
    return said


def _line(score: Score) -> str:
    from fac_core.features.explained import WORDS, too_few

    n = f"n = {score.n_firing} + {score.n_silent}" if score.n_silent else f"n = {score.n_firing}"
    if score.value is None:
        return f"{WORDS[score.protocol]}: no held-out document to judge by"
    few = ", too few" if too_few(score) else ""
    interval = "" if score.low is None else f" [{score.low:.2f}, {score.high:.2f}]"
    return f"{WORDS[score.protocol]}: {score.value:.2f}{interval}, {n}{few}, by {safe(score.judge)}"
