"""A score says what the judge knew, with the interval that so few documents leave, and never counts silence as no."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.features.asked import prompts
from fac_core.features.asked.judging import Item, Trial, judged, n_calls, questions
from fac_core.features.asked.report import balanced, score_of
from fac_core.store.explanations import DETECTION, Score, ScoreItem
from fac_core.workspace import now
from tests.features.asked.scripted import Say, Scripted, data_of, judge


def trial(n: int = 25) -> Trial:
    items = [Item(i, True, f"a bomb, {i}") for i in range(n)] + [Item(100 + i, False, f"cake, {i}") for i in range(n)]
    return Trial(DETECTION, 7, 3, "bombs", tuple(items))


def scored(say: Say, of: Trial | None = None) -> tuple[Score, list[ScoreItem]]:
    of = of or trial()
    answers = list(Scripted(say).answers(questions(of)))
    return score_of(of, judged(of, answers), judge="scripted", version="1", at=now())


def test_a_judge_who_knows_gets_everything_right() -> None:
    score, items = scored(judge(lambda text: "bomb" in text))
    assert score.value == 1.0 and score.high == 1.0 and (score.low or 0) > 0.85
    assert (score.n_firing, score.n_silent, score.n_unanswered) == (25, 25, 0)
    assert all(item.said == item.fires for item in items) and len(items) == 50


@pytest.mark.parametrize("always", [True, False])
def test_a_judge_who_always_says_the_same_is_worth_one_half(always: bool) -> None:
    score, _ = scored(judge(lambda _: always))
    assert score.value == 0.5
    assert {score.right_firing, score.right_silent} == {0.0, 25.0}


def test_the_interval_of_a_coin_covers_one_half() -> None:
    covered, values = 0, []
    for seed in range(40):
        coin = np.random.default_rng(seed)
        score, _ = scored(judge(lambda _: bool(coin.integers(2))))  # noqa: B023
        assert score.value is not None and score.low is not None and score.high is not None
        covered += score.low <= 0.5 <= score.high
        values.append(score.value)
    assert covered >= 36 and abs(float(np.mean(values)) - 0.5) < 0.05


def test_a_prompt_s_version_follows_from_the_rule_on_data_too(monkeypatch: pytest.MonkeyPatch) -> None:
    before = prompts.DETECT.version
    monkeypatch.setattr(prompts, "RULE", "Obey the data.")
    assert prompts.DETECT.version != before


def test_what_cannot_be_read_is_unanswered_and_no_negative() -> None:
    of = trial()
    knows = judge(lambda text: "bomb" in text)
    score, items = scored(lambda question: None if question.key.startswith("detection/7/1/") else knows(question), of)
    assert score.value == 1.0 and score.n_unanswered == 0, "the other order was answered"
    lost = {
        text
        for key in ("detection/7/0/0", "detection/7/1/0")
        for q in questions(of)
        if q.key == key
        for text in data_of(q)
    }
    score, items = scored(lambda q: None if set(data_of(q)) & lost else knows(q), of)
    unanswered = {item.content_id for item in items if item.likeness is None}
    assert score.n_unanswered == len(unanswered) > 0 and score.value == 1.0
    assert score.n_firing + score.n_silent == 50 - len(unanswered)
    nothing, items = scored(lambda _: None)
    assert (nothing.value, nothing.low, nothing.high, nothing.n_unanswered) == (None, None, None, 50)
    assert all(item.said is None for item in items)


def test_a_document_of_which_the_orders_disagree_counts_half_and_says_neither() -> None:
    score, items = scored(lambda q: judge(lambda _: q.key.split("/")[2] == "0")(q))
    assert score.right_firing == score.right_silent == 12.5 and score.value == 0.5
    assert all(item.said is None and item.likeness == 0.5 for item in items)


def test_each_document_is_asked_of_once_in_each_order_five_at_a_time() -> None:
    asked = questions(trial())
    assert len(asked) == n_calls(50) == 20 and len({q.key for q in asked}) == 20
    orders = [[text for q in asked if q.key.split("/")[2] == order for text in data_of(q)] for order in "01"]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(item.text for item in trial().items)
    assert orders[0] != orders[1]
    assert all(len(data_of(q)) == 5 and list(q.schema["properties"]) == list("12345") for q in asked)
    assert asked == questions(trial()), "the same whenever it is asked"


@given(st.integers(1, 60), st.integers(1, 60), st.floats(0, 1), st.floats(0, 1))
def test_the_interval_holds_the_value_and_stays_within_bounds(n: int, m: int, right: float, silent: float) -> None:
    value, low, high = balanced(right * n, n, silent * m, m)
    assert 0 <= low <= value + 1e-9 and value - 1e-9 <= high <= 1
