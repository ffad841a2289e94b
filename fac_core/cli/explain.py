"""`fac explain`, `fac detect`: a model says what features mean, and how far documents bear it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fac_core.cli import context
from fac_core.cli.context import Delta, Json, Project, SpaceName
from fac_core.cli.show import plural, safe, say, show, table
from fac_core.errors import InputError
from fac_core.workspace import Workspace

if TYPE_CHECKING:
    from fac_core.features.asked.results import Said
    from fac_core.features.asked.starting import Planned
    from fac_core.llm.terms import Terms

Features = Annotated[
    str,
    typer.Option("--features", "-f", help="worklist, gaps, relevant, named, or numbers such as 12,40."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would ask and cost, and stop.")]
CapMoney = Annotated[
    float | None, typer.Option("--cap", min=0, help="The most it may spend, at the price you entered.")
]
CapTokens = Annotated[int | None, typer.Option(min=1, help="The most tokens it may use, in and out.")]
Top = Annotated[int | None, typer.Option(min=1, help="Only so many, those that most anchor samples show first.")]
Again = Annotated[
    bool,
    typer.Option(
        "--again",
        help="Also where this model has answered already; asks anew only what could not be read or has changed.",
    ),
]
Model = Annotated[str, typer.Option(help="Name of the model (default: the project's setting).")]
BaseUrl = Annotated[str, typer.Option(help="Endpoint's address. The key comes from OPENAI_API_KEY.")]
Wait = Annotated[bool, typer.Option(help="Wait until the job has ended.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (explain, detect):
        app.command()(command)


def explain(
    features: Features = "worklist",
    top: Top = None,
    dry_run: DryRun = False,
    cap: CapMoney = None,
    cap_tokens: CapTokens = None,
    again: Again = False,
    model: Model = "",
    base_url: BaseUrl = "",
    wait: Wait = True,
    delta: Delta = None,
    space: SpaceName = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Have features explained by the endpoint's model, and each explanation verified in a separate call."""
    from fac_core.features.asked.outcomes import NOT_VERIFIED
    from fac_core.features.asked.results import said
    from fac_core.features.asked.starting import plan_explaining

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        at = context.delta_of(ws, space_id, delta)
        wanted = chosen_features(ws, space_id, at, features)[:top]
        terms = terms_of(ws, base_url, model, cap, cap_tokens)
        plan = plan_explaining(ws, space_id, wanted, terms, again=again)
        if not carry_out(ws, plan, dry_run=dry_run, wait=wait, as_json=as_json):
            return
        found = said(ws, space_id, wanted, terms.model)
        rows = [
            [str(each.explanation.feature_id), each.explanation.verdict or NOT_VERIFIED, each.explanation.text]
            for each in found
        ]
        lines = [*table([">feature", "verdict", "explanation"], rows), sum_line(len(found), len(wanted), "explained")]
        show({**context.where(ws, space_id, at), "explanations": [each.explanation for each in found]}, lines, as_json)


def detect(
    features: Features = "worklist",
    top: Top = None,
    of: Annotated[str, typer.Option(help="Explanations: llm (newest of a model), name, or all.")] = "llm",
    fuzz: Annotated[
        bool | None,
        typer.Option(
            "--fuzz/--no-fuzz", help="Also ask whether marked tokens are the right ones (default: for the work list)."
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="10 + 10 documents instead of 25 + 25.")] = False,
    dry_run: DryRun = False,
    cap: CapMoney = None,
    cap_tokens: CapTokens = None,
    again: Again = False,
    model: Model = "",
    base_url: BaseUrl = "",
    wait: Wait = True,
    delta: Delta = None,
    space: SpaceName = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Score explanations: the endpoint's model tells firing from silent documents that no explainer saw."""
    from fac_core.features.asked.choosing import WORKLIST
    from fac_core.features.asked.results import judged
    from fac_core.features.asked.starting import plan_detecting

    which = _which(of)
    fuzzing = features == WORKLIST if fuzz is None else fuzz
    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        at = context.delta_of(ws, space_id, delta)
        wanted = chosen_features(ws, space_id, at, features)[:top]
        terms = terms_of(ws, base_url, model, cap, cap_tokens)
        plan = plan_detecting(ws, space_id, wanted, terms, which=which, fuzz=fuzzing, quick=quick, again=again)
        if not carry_out(ws, plan, dry_run=dry_run, wait=wait, as_json=as_json):
            return
        found = [each for each in judged(ws, space_id, wanted, which, terms.model) if each.scores]
        heads = [">feature", "protocol", ">score", "95 %", ">firing", ">silent", ">unanswered", "explanation"]
        lines = [*table(heads, _score_rows(found)), sum_line(len(found), plan.n, "judged", "explanation")]
        show({**context.where(ws, space_id, at), "judged": found}, lines, as_json)


def _score_rows(found: list[Said]) -> list[list[str]]:
    return [
        [
            str(score.feature_id),
            protocol,
            "–" if score.value is None else f"{score.value:.2f}",
            "–" if score.low is None or score.high is None else f"{score.low:.2f}–{score.high:.2f}",
            str(score.n_firing),
            str(score.n_silent),
            str(score.n_unanswered),
            each.explanation.text,
        ]
        for each in found
        for protocol, score in sorted(each.scores.items())
    ]


def carry_out(ws: Workspace, plan: Planned, *, dry_run: bool, wait: bool, as_json: bool) -> bool:
    """Say what a plan costs and, unless that is all, carry it out; whether its results are there to be shown."""
    from fac_core.cli.waiting import wait as wait_for
    from fac_core.features.asked.outcomes import n_unread
    from fac_core.features.asked.outcomes import told as told_of
    from fac_core.llm.estimate import estimate

    expected = estimate(ws, plan.terms, plan.questions)
    told = [f"{plan.title}: {expected.sentence}", *(f"  not: {n} {why}" for why, n in plan.left_out.items() if n)]
    if dry_run:
        value: dict[str, Any] = {"title": plan.title, "n": plan.n, "left_out": plan.left_out, "estimate": expected}
        show(value, told, as_json)
        return False
    for line in told:
        say(line)
    job_id = plan.start(ws)
    if not wait:
        show({"job_id": job_id}, ["Started; see: fac jobs"], as_json)
        return False
    job = wait_for(ws, job_id)
    for line in told_of(job.result):
        say(safe(line))
    if unread := n_unread(job.result):
        replies = plural(unread, "reply is", "replies are")
        say(f"{replies} not what was asked for, and not asked for again, except with --again.")
    return True


def terms_of(ws: Workspace, base_url: str, model: str, money: float | None, tokens: int | None) -> Terms:
    from fac_core.llm.prices import Cap
    from fac_core.llm.terms import make_terms

    return make_terms(ws, base_url=base_url, model=model, cap=Cap(money=money, tokens=tokens))


def chosen_features(ws: Workspace, space_id: str, delta: float, named: str) -> list[int]:
    from fac_core.features.asked.choosing import CHOICES, chosen, why_empty

    if named in CHOICES:
        if not (found := chosen(ws, space_id, delta, named)):
            raise InputError(why_empty(named, delta))
        return found
    try:
        return [int(part) for part in named.split(",")]
    except ValueError:
        raise InputError(
            f"There are no features {safe(named)!r}; name {', '.join(CHOICES)}, or numbers such as 12,40."
        ) from None


def _which(named: str) -> Literal["llm", "name", "all"]:
    for known in ("llm", "name", "all"):
        if named == known:
            return known  # type: ignore[return-value]
    raise InputError(f"There are no explanations of {safe(named)!r}; choose one of llm, name, all.")


def sum_line(n: int, of: int, what: str, noun: str = "feature") -> str:
    return f"{n:,} of {plural(of, noun)} {what}"
