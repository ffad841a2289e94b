"""Whatever order calls begin, end and get lost in, spent and set aside together stay below the cap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.errors import InputError
from fac_core.llm.budget import Budget, OverBudget
from fac_core.llm.calls import Attempt
from fac_core.llm.prices import NO_CAP, Cap, Price, price_of, set_price
from fac_core.llm.terms import Terms, make_terms
from fac_core.workspace import Workspace

PRICE = Price(1.0, 3.0)


def attempt(tokens_in: int, tokens_out: int, price: Price | None = PRICE) -> Attempt:
    cost = None if price is None else price.of(tokens_in, tokens_out)
    return Attempt(
        "a", "h", "judge", "http://h/v1", "m", False, "lost", 10, tokens_in, tokens_out, cost, True, 0.0, 0.0
    )


CALLS = st.lists(
    st.tuples(st.integers(1, 400), st.integers(1, 400), st.floats(0, 1), st.sampled_from(["at once", "late", "never"])),
    max_size=30,
)


@given(CALLS, st.sampled_from([Cap(tokens=1000), Cap(money=0.002), Cap(calls=4), Cap(0.002, 1000, 4)]))
def test_the_cap_holds_whatever_happens_to_the_calls(calls: list[tuple[int, int, float, str]], cap: Cap) -> None:
    budget, journal, open_ones = Budget(cap), [], []
    for tokens_in, tokens_out, share, end in calls:
        most = attempt(tokens_in, tokens_out)
        try:
            budget.reserve(most, wait=False)
        except OverBudget:
            continue
        n_in, n_out = int(tokens_in * share), int(tokens_out * share)
        told = replace(most, tokens_in=n_in, tokens_out=n_out, price=PRICE.of(n_in, n_out), assumed=False)
        if end == "at once":
            budget.settle(most, told)
        elif end == "late":
            open_ones.append((most, told))
        journal.append(told if end == "at once" else most)
        held = (budget.money, budget.tokens, budget.calls)
        assert all(limit is None or spent <= limit + 1e-9 for limit, spent in zip(cap, held, strict=True))
        again = Budget(cap, journal)  # a restart knows the journal and nothing else
        assert (again.tokens, again.calls) == (budget.tokens, budget.calls)
        assert again.money == pytest.approx(budget.money)
    for most, told in open_ones:
        budget.settle(most, told)
    assert budget.tokens <= sum(each.tokens_in + each.tokens_out for each in journal)


def test_a_cap_in_money_without_a_price_is_refused_with_what_to_do(ws: Workspace) -> None:
    known = {"base_url": "http://127.0.0.1:1/v1", "model": "m"}
    with pytest.raises(InputError, match="needs the price of the model; enter it"):
        make_terms(ws, **known, cap=Cap(money=1.0))
    for cap in (Cap(tokens=0), Cap(money=float("nan")), Cap(calls=-1)):
        with pytest.raises(InputError, match="more than 0"):
            make_terms(ws, **known, cap=cap)
    set_price(ws, "m", PRICE)
    terms = make_terms(ws, **known, cap=Cap(money=1.0))
    assert terms.price == PRICE and Terms.from_spec(terms.as_spec()) == terms
    set_price(ws, "m", None)
    assert price_of(ws, "m") is None and make_terms(ws, **known).cap == NO_CAP


@pytest.mark.parametrize("pair", [(-1.0, 1.0), (float("inf"), 1.0), (1.0, float("nan"))])
def test_a_price_that_is_no_amount_is_refused(ws: Workspace, pair: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="amount for a million tokens"):
        set_price(ws, "m", Price(*pair))


def test_terms_hold_no_key(ws: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FAC_LLM_API_KEY", "sk-very-secret-1234")
    terms = make_terms(ws, base_url="http://127.0.0.1:1/v1", model="m")
    assert "secret" not in str(terms.as_spec()) + repr(terms)
    assert terms.endpoint.key == "sk-very-secret-1234"


def test_a_key_among_streamlit_s_secrets_is_found_and_stays_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from streamlit.runtime.secrets import Secrets

    from fac_core.llm.endpoint import load_key

    for name in ("FAC_LLM_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text('OPENAI_API_KEY = "sk-from-secrets"\n')
    monkeypatch.chdir(tmp_path)
    assert load_key() == "none"
    assert Secrets().load_if_toml_exists()  # as the app's server does when it starts
    assert load_key() == "sk-from-secrets"
