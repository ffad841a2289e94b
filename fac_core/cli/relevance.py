"""`fac relevance`, `judge`, `rate`: which features belong to the task, by labels, by a person, by a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fac_core.cli import context, explain
from fac_core.cli.context import Delta, Json, Project, Reviewer, SpaceName
from fac_core.cli.show import plural, say, show, table
from fac_core.errors import InputError

if TYPE_CHECKING:
    from fac_core.features.agreement import Agreement
    from fac_core.features.relevance import Overview
    from fac_core.features.relevance_check import Check


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (relevance, judge, rate):
        app.command()(command)


def relevance(
    mode: Annotated[
        str | None,
        typer.Option(
            "--by",
            "--mode",
            help="Set for the project what decides from now on (auto, label, judge, both, either, alive); FAC follows.",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=100, help="Features shown.")] = 10,
    anew: Annotated[bool, typer.Option("--anew", help="Describe the features even if nothing has changed.")] = False,
    space: SpaceName = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Test which features belong to the task, name them by keywords, and join near-copies into families.

    This is done where what was read, the anchor, its labels or the threshold has changed since the last time. Says how
    the test fares on held-out documents, and how far a model's ratings agree with it.
    """
    from fac_core.cli.waiting import settle
    from fac_core.features.judgement import choose_mode, chosen_mode
    from fac_core.features.refresh import refresh
    from fac_core.features.relevance import overview, tested_features
    from fac_core.features.states import STATES
    from fac_core.features.table import feature_page

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        if mode is not None and mode != (before := chosen_mode(ws)):
            choose_mode(ws, mode)
            say(f"The project now goes by {mode}; FAC and gaps follow. Back to before: fac relevance --by {before}")
        refresh(ws, space_id, force=anew)
        settle(ws)
        at = context.delta_of(ws, space_id, None)
        found = overview(ws, space_id)
        tested = tested_features(ws, space_id)
        page = feature_page(ws, space_id, at, relevant=True, sort="effect", page_size=top, states=STATES, among=tested)
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
            for row in page.rows
        ]
        value = {
            **context.where(ws, space_id, at),
            "mode": found.judgement.mode,
            "setting": chosen_mode(ws),
            "why": found.why,
            "n_by_label": found.judgement.n_by_label,
            "n_by_judge": found.judgement.n_by_judge,
            "n_tested": found.n_tested,
            "n_rated": found.n_rated,
            "n_older": found.n_older,
            "n_overruled": found.n_overruled,
            "effect": found.effect_name,
            "check": None if found.check is None else _check_value(found.check),
            "agreement": None if found.agreement is None else _agreement_value(found.agreement),
            "top": page.rows,
        }
        heads = [">feature", f">{found.effect_name}", ">q", ">lift", ">anchor", "state", "name"]
        listed = table(heads, rows) if rows else ["No relevant feature of the anchor could be tested by labels."]
        show(value, [*_summary(found), *listed], as_json)


def judge(
    feature_id: Annotated[int, typer.Argument(help="Number of the feature.")],
    verdict: Annotated[str, typer.Argument(help="yes, no, or open (what labels and judge say).")],
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


def rate(
    features: explain.Features = "named",
    top: explain.Top = None,
    dry_run: explain.DryRun = False,
    cap: explain.CapMoney = None,
    cap_tokens: explain.CapTokens = None,
    again: explain.Again = False,
    model: explain.Model = "",
    base_url: explain.BaseUrl = "",
    wait: explain.Wait = True,
    delta: Delta = None,
    space: SpaceName = None,
    named: Project = None,
    as_json: Json = False,
) -> None:
    """Have features rated against the task's rubric by the endpoint's model; to go by it: fac relevance --by judge."""
    from fac_core.features.asked.rubric_plan import plan_rating
    from fac_core.features.relevance import overview, sides

    with context.opened(named) as ws:
        space_id = context.space_of(ws, space)
        at = context.delta_of(ws, space_id, delta)
        wanted = explain.chosen_features(ws, space_id, at, features)[:top]
        terms = explain.terms_of(ws, base_url, model, cap, cap_tokens)
        plan = plan_rating(ws, space_id, wanted, terms, again=again)
        if not explain.carry_out(ws, plan, dry_run=dry_run, wait=wait, as_json=as_json):
            return
        by_model = {
            feature: [said for said in sides(ws, space_id, feature).ratings if said.model == terms.model]
            for feature in wanted
        }
        found = {feature: said[0] for feature, said in by_model.items() if said and said[0].current}
        rows = [
            [str(feature), said.rating, "texts" if said.from_texts else "explanation", said.reason]
            for feature, said in found.items()
        ]
        rated = explain.sum_line(len(found), len(wanted), "rated")
        lines = [*table([">feature", "rating", "from", "reason"], rows), rated, *_summary(overview(ws, space_id))]
        show({**context.where(ws, space_id, at), "ratings": found}, lines, as_json)


def _summary(found: Overview) -> list[str]:
    judged = found.judgement
    lines = [
        f"by label: {judged.n_by_label:,} of {plural(found.n_tested, 'feature')} tested go with the task "
        "(false-discovery rate 0.1)",
        f"by judge: {judged.n_by_judge:,} of {plural(found.n_rated, 'feature')} rated belong to it"
        + (f"; {plural(found.n_older, 'further one')} rated against an older rubric" if found.n_older else ""),
        f"by people: {plural(found.n_overruled, 'feature')} decided",
        f"relevance is decided by: {judged.mode}",
    ]
    if found.why:
        lines.append(found.why)
    if found.agreement is not None:
        lines.append(_agreement_line(found.agreement))
    if found.check is not None:
        lines += _check_lines(found.check)
    return lines


def _agreement_line(found: Agreement) -> str:
    kappa = "undefined" if found.kappa is None else f"{found.kappa:.2f}"
    low, high = found.interval
    return (
        f"label and judge agree on {found.share:.0%} [{low:.0%}–{high:.0%}] of n = {found.n:,}, Cohen's kappa {kappa}; "
        f"both {found.both:,}, label only {found.label_only:,}, judge only {found.judge_only:,}, "
        f"neither {found.neither:,}"
    )


def _check_lines(found: Check) -> list[str]:
    units = "documents" if found.method == "label" else "pairs"
    head = (
        f"held-out check: picked on {found.n_picked_on:,} {units} of the anchor, measured on the other "
        f"{found.n_held_out:,}: {plural(found.n_relevant, 'feature')} picked, {found.n_relevant_shuffled:.2g} where "
        "labels are shuffled"
    )
    if found.separation is None or found.low is None or found.high is None:
        return [head]
    lines = [head]
    if (precision := found.precision) is not None and (side := found.same_side) is not None:
        chance = "" if found.same_side_shuffled is None else f" (shuffled {found.same_side_shuffled:.0%})"
        lines.append(
            f"  precision: {found.n_confirmed} of {found.n_tested} hold beyond chance, {precision[0]:.0%} "
            f"[{precision[1]:.0%}–{precision[2]:.0%}]; {side[0]:.0%} on the same side{chance}"
        )
    what = "AUROC" if found.method == "label" else "pairs in the right order"
    against = (
        ""
        if found.control is None
        else f"; as many picked on shuffled labels {found.control:.2f} "
        f"({found.control_low:.2f}–{found.control_high:.2f} in {found.n_shuffles})"
    )
    lines.append(f"  separation: {what} {found.separation:.2f} [{found.low:.2f}–{found.high:.2f}]{against}")
    return lines


def _check_value(found: Check) -> dict[str, object]:
    return {**found._asdict(), "precision": found.precision, "same_side": found.same_side}


def _agreement_value(found: Agreement) -> dict[str, object]:
    return {
        **found._asdict(),
        "n": found.n,
        "share": found.share,
        "interval": found.interval,
        "kappa": found.kappa,
    }
