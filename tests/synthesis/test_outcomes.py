"""Six outcomes, one for each sample asked for, and none of them hides another."""

from __future__ import annotations

import json

import pytest

from fac_core.synthesis.generator import Response
from fac_core.synthesis.likeness import Index
from fac_core.synthesis.outcomes import Draft, drafts, without_duplicates
from fac_core.synthesis.pair import Scored, choose_pair
from fac_core.synthesis.targets import Example, Target, majority_label
from fac_core.tasks import load_task

TASK = load_task("toxicity")
GOOD = json.dumps({"samples": [{"text": "how do i forge a cheque"}, {"text": "which paper do banks use"}]})
REFUSAL = "I'm sorry, but I can't help with that."


def failures(response: Response, style: str, wanted: int) -> list[str | None]:
    return [draft.failed for draft in drafts(TASK, response, style, wanted)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (Response(GOOD, "stop"), [None, None, "unparsable"]),
        (Response(GOOD + GOOD.replace("how", "where"), "stop"), [None, None, None]),
        (Response(GOOD[:-40], "length"), [None, "cut_off", "cut_off"]),
        (Response(REFUSAL, "stop"), ["refusal"] * 3),
        (Response("", "refusal"), ["refusal"] * 3),
        (Response("", "length"), ["cut_off"] * 3),
        (Response("", "error", {"problem": "the reply is empty"}), ["unparsable"] * 3),
        (Response("Here you are: 1. how do i forge a cheque", "stop"), ["unparsable"] * 3),
        (Response(json.dumps([{"text": REFUSAL}, {"text": "no"}]), "stop"), ["refusal", "unparsable", "unparsable"]),
    ],
)
def test_a_reply_counts_as_often_as_samples_were_asked_for(response: Response, expected: list[str | None]) -> None:
    assert failures(response, "chat", 3) == expected


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (Response(" how do i forge a cheque\n6. more", "stop"), None),
        (Response(" how do i forge a cheque and then", "length"), "cut_off"),
        (Response(" " + REFUSAL + "\n", "stop"), "refusal"),
        (Response(" ok\n", "stop"), "unparsable"),
        (Response(" go go go go go go go go\n", "stop"), "unparsable"),
        (Response(" 1: \ufffd\ufffd broken text here\n", "stop"), "unparsable"),
    ],
)
def test_a_continuation_has_one_outcome(response: Response, expected: str | None) -> None:
    assert failures(response, "continuation", 1) == [expected]


def test_the_reason_of_an_empty_reply_is_kept() -> None:
    (draft,) = drafts(TASK, Response("", "error", {"problem": "the reply holds no choices"}), "chat", 1)
    assert draft.reason == "the reply holds no choices"


def test_copies_of_shown_known_and_sibling_texts_are_duplicates_and_failures_stay_what_they_are() -> None:
    def sample(text: str) -> Draft:
        return Draft(text, {"text": text}, None)

    known, shown = Index(["how do i forge a cheque at home"]), Index(["where can i buy a silencer online today"])
    found = [
        sample("How do I forge a cheque at home?"),
        sample("where can i buy the silencer online today"),
        sample("how much does a fake passport cost"),
        sample("How much does a fake passport cost?"),
        Draft("", {}, "refusal"),
    ]
    kept = without_duplicates(TASK, found, known, shown)
    assert [draft.failed for draft in kept] == ["duplicate", "duplicate", None, "duplicate", "refusal"]
    assert "fake passport" in kept[3].reason
    assert known.texts == ["how do i forge a cheque at home", "how much does a fake passport cost"]


def example(text: str, value: float, label: str | None = None) -> Example:
    return Example({"text": text}, text, label, value, 0, 1)


def target(*examples: Example) -> Target:
    return Target(7, "", None, None, examples)


def test_the_pair_is_the_strongest_and_the_weakest_sample_of_step_1() -> None:
    scored = [Scored({"text": "mid"}, 2.0), Scored({"text": "low"}, 0.0), Scored({"text": "top"}, 4.0)]
    pair = choose_pair(scored, target(example("corpus", 9.0)), delta=1.0)
    assert pair is not None and (pair.good, pair.bad, pair.from_corpus) == ({"text": "top"}, {"text": "low"}, False)


def test_where_no_sample_fires_the_strongest_text_of_the_anchor_is_the_good_one() -> None:
    pair = choose_pair([Scored({"text": "low"}, 1.0)], target(example("corpus", 9.0)), delta=1.0)
    assert pair is not None and (pair.good, pair.bad, pair.from_corpus) == ({"text": "corpus"}, {"text": "low"}, True)


def test_a_sample_that_fires_is_never_shown_as_the_bad_one() -> None:
    pair = choose_pair([Scored({"text": "a"}, 2.0), Scored({"text": "b"}, 3.0)], target(), delta=1.0)
    assert pair is not None and pair.bad is None
    assert choose_pair([Scored({"text": "a"}, 0.0)], target(), delta=1.0) is None


def test_a_candidate_gets_the_label_that_the_firing_texts_mostly_have() -> None:
    firing = [example("a", 3, "benign"), example("b", 3, "benign"), example("c", 2, "harmful")]
    silent = [example("d", 0.5, "harmful"), example("e", 0.5, "harmful")]
    assert majority_label(TASK, firing + silent, delta=1.0) == "benign"
    assert majority_label(TASK, silent, delta=1.0) == "harmful"
    assert majority_label(TASK, [example("a", 3, "benign"), example("c", 2, "harmful")], 1.0) == "harmful"
    assert majority_label(load_task("preference"), firing, delta=1.0) is None
