"""What asking a model will cost is on the page before it starts; what came of it, at what cost, is there afterwards.

Both come from `fac_core.llm`; an unknown price is called unpriced here too.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from fac_core.errors import InputError
from fac_core.features.asked.results import asked_about, came
from fac_core.jobs import owner
from fac_core.jobs.owner import Job
from fac_core.llm.estimate import Estimate
from fac_core.llm.prices import Cap, Price, price_of, set_price
from fac_core.llm.spending import Spend, damage, spend
from pages.ui import chrome, heat, services, theme
from pages.ui.services import Here

UNPRICED = "unpriced"
_DISMISSED = "asked_dismissed"
"""Setting: the newest job whose outcome nobody wants to see any more."""


def preview(here: Here, foreseen: Estimate, key: str = "asking") -> Cap:
    """Calls, tokens and price of what would be asked, and a field for the most it may use; returns that cap."""
    calls, going_in, coming_out, cost = st.columns(4, gap="small")
    calls.metric("Calls", theme.count(foreseen.calls), help="Questions that were answered before are not asked again.")
    going_in.metric("Tokens in", theme.count(foreseen.tokens_in))
    coming_out.metric("Tokens out", foreseen.out_words)
    cost.metric(
        "Price",
        UNPRICED if foreseen.money_range is None else "{:,.3g} – {:,.3g}".format(*foreseen.money_range),
        help="At the price entered in Settings, in its currency.",
    )
    heat.words(
        heat.Piece(
            f"{theme.plural(foreseen.n_questions, 'question')} to {foreseen.model}"
            + (f", {theme.count(foreseen.n_cached)} answered before and free" if foreseen.n_cached else ""),
            kind="quiet small",
        ),
        *(heat.Piece(f"\n{each.purpose}: {each.how}", kind="quiet small") for each in foreseen.purposes),
        key=f"{key}_how",
    )
    return cap_input(foreseen.price, key)


def became(here: Here, job: Job, key: str) -> None:
    """What came of a job that has ended: counts in words, when, what it cost, and its features; can be dismissed."""
    if job.job_id <= here.ws.setting(_DISMISSED):  # ids sort by time
        return
    found = came(here.ws, job)
    when = f"{job.ended_at:%d %b %Y %H:%M}" if job.ended_at else ""
    lines = [*found.lines, "cost: " + cost_words(found.spent)]
    if found.n_unread:
        lines.append(
            f"{theme.plural(found.n_unread, 'reply is', 'replies are')} not what was asked for; switch on “Also what "
            "this model has answered” to ask for them anew."
        )
    with st.container(border=True, gap="small", key=key):
        heat.words(
            heat.Piece(f"{job.title}: {job.state}", kind="strong"),
            heat.Piece(f"   {when}\n", kind="quiet small"),
            *(heat.Piece(f"{line}\n", kind="small") for line in lines),
            key=f"{key}_words",
        )
        with st.container(horizontal=True, gap="small"):
            st.button(
                "Show these features",
                icon=":material/table_rows:",
                key=f"{key}_show",
                on_click=_show_features,
                args=(job.job_id,),
                disabled=not asked_about(job),
            )
            st.button("Dismiss", type="tertiary", key=f"{key}_dismiss", on_click=_dismiss, args=(job.job_id,))


def cost_words(spent: Sequence[Spend]) -> str:
    """What some calls cost, in one line."""
    if not spent:
        return "nothing was asked that had to be paid"
    prices = [each.price for each in spent if each.price is not None]
    unpriced = any(each.n_unpriced for each in spent)
    money = " and ".join(
        [*([f"{sum(prices):,.4f}"] if prices else []), *([UNPRICED] if unpriced or not prices else [])]
    )
    tokens_in, tokens_out = (sum(getattr(each, name) for each in spent) for name in ("tokens_in", "tokens_out"))
    attempts = theme.plural(sum(each.n_attempts for each in spent), "attempt")
    return f"{money}, {theme.count(tokens_in)} tokens in and {theme.count(tokens_out)} out in {attempts}"


def _show_features(job_id: str) -> None:
    services.go("f_asked", job_id)
    # those the task leaves out were asked about as well
    st.session_state.update(f_view="table", f_task="all")


@services.guarded
def _dismiss(job_id: str) -> None:
    services.here().ws.set_setting(_DISMISSED, job_id)


def asked_in() -> str | None:
    """The job whose features the table is to show, with a way back to all."""
    said = services.follow("f_asked")
    if not said:
        return None
    st.button(
        "Asked in one job",
        icon=":material/close:",
        key="f_asked_off",
        on_click=services.go,
        args=("f_asked", None),
        help="Only features that this job asked a model about are shown; press to show all.",
    )
    return said


def asked_features(here: Here, job_id: str) -> list[int]:
    """Features that a job named in the address asked about; none if there is no such job."""
    try:
        job = owner.get(here.ws, job_id)
    except InputError:
        return []
    return asked_about(job)


def cap_input(price: Price | None, key: str = "asking") -> Cap:
    """The most a job may spend: in money where the model has a price, else in tokens; empty is no limit."""
    if price is not None:
        money = st.number_input(
            "Spend at most",
            min_value=0.0,
            value=None,
            step=0.1,
            format="%.2f",
            key=f"{key}_cap_money",
            placeholder="no limit",
            help="In the currency of the price. What is under way counts in full until it is settled.",
        )
        return Cap(money=money)
    tokens = st.number_input(
        "Use at most so many tokens",
        min_value=0,
        value=None,
        step=10_000,
        key=f"{key}_cap_tokens",
        placeholder="no limit",
        help="In and out together. Enter the model's price in Settings to cap money instead.",
    )
    return Cap(tokens=tokens)


def ledger(here: Here) -> None:
    """What calls have cost, by purpose and model, for Settings."""
    found = services.guarded(spend)(here.ws)
    for sentence in damage(here.ws):
        chrome.notice(sentence, "warning")
    if not found:
        st.caption("No endpoint was asked yet.")
        return
    column = st.column_config
    st.dataframe(
        pd.DataFrame([_row(each) for each in found]),
        column_config={
            "attempts": column.NumberColumn("Attempts", format="localized", help="Each may have been billed."),
            "tokens_in": column.NumberColumn("Tokens in", format="localized"),
            "tokens_out": column.NumberColumn("Tokens out", format="localized"),
            "price": column.TextColumn("Price", help="At the price that stood when each call was made."),
            "outcomes": column.TextColumn("Outcomes", width="large"),
            "purpose": column.TextColumn("Purpose"),
            "model": column.TextColumn("Model"),
        },
        hide_index=True,
        key="llm_ledger",
    )
    assumed = sum(each.n_assumed for each in found)
    if assumed:
        st.caption(
            f"{theme.plural(assumed, 'attempt')} without a word on what was billed: the most it can be is counted."
        )


def price_form(here: Here, model: str) -> None:
    """What a million tokens of a model cost, for Settings."""
    known = price_of(here.ws, model)
    with st.form("llm_price", border=False):
        left, right = st.columns(2)
        left.number_input(
            "Price of a million tokens in",
            0.0,
            value=known and known.per_million_in,
            key="price_in",
            placeholder=UNPRICED,
        )
        right.number_input(
            "Price of a million tokens out",
            0.0,
            value=known and known.per_million_out,
            key="price_out",
            placeholder=UNPRICED,
        )
        st.form_submit_button("Keep", on_click=_keep_price, args=(here, model))


@services.guarded
def _keep_price(here: Here, model: str) -> None:
    into, out = st.session_state["price_in"], st.session_state["price_out"]
    set_price(here.ws, model, None if into is None or out is None else Price(into, out))


def _row(each: Spend) -> dict[str, str | int]:
    price = UNPRICED if each.price is None else f"{each.price:,.4f}" + (f" and {UNPRICED}" if each.n_unpriced else "")
    return {
        "purpose": each.purpose,
        "attempts": each.n_attempts,
        "tokens_in": each.tokens_in,
        "tokens_out": each.tokens_out,
        "price": price,
        "outcomes": ", ".join(f"{outcome} {theme.count(n)}" for outcome, n in each.outcomes.items()),
        "model": each.model,
    }
