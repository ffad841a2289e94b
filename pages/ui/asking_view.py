"""What asking a model will cost is on the page before it starts, and what it has cost stands in Settings afterwards.

Both come from `fac_core.llm`; an unknown price is called unpriced here too.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from fac_core.features.asked.outcomes import n_unread, told
from fac_core.jobs.owner import Job
from fac_core.llm.estimate import Estimate
from fac_core.llm.prices import Cap, Price, price_of, set_price
from fac_core.llm.spending import Spend, damage, spend
from pages.ui import chrome, heat, services, theme
from pages.ui.services import Here

UNPRICED = "unpriced"


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


def became(job: Job) -> None:
    """What became of the questions of a job that has ended, where some came to nothing."""
    lines, unread = told(job.result), n_unread(job.result)
    if unread:
        lines.append(
            f"{theme.plural(unread, 'reply is', 'replies are')} not what was asked for; switch on “Also what this "
            "model has answered” to ask for them anew."
        )
    heat.words(
        *(heat.Piece(f"{line}\n", kind="quiet small") for line in [f"Last: {job.title}", *lines]), key="asked_became"
    )


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
