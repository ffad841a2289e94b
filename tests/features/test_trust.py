"""What is wrong with an explanation is said, and a feature is trusted by one rule that synthesis keeps to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.errors import InputError
from fac_core.feature_space.spaces import set_delta
from fac_core.features.alike import NEAR, Sayings, telling
from fac_core.features.asked.judging import Item, Judged, Trial
from fac_core.features.asked.report import score_of
from fac_core.features.explained import badge, overview, too_few
from fac_core.features.held_out import versions
from fac_core.features.lint import lint
from fac_core.features.naming import rename
from fac_core.features.purity import Purity, purity
from fac_core.features.refresh import refresh
from fac_core.features.split import SCORE, hashes
from fac_core.features.table import feature_page
from fac_core.features.trust import (
    Evidence,
    badge_of,
    badges,
    mistrusted,
    name_score,
    name_scores,
    newest,
    require_trust,
)
from fac_core.store import explanations as store
from fac_core.store.explanations import DETECTION, EMBEDDING, FUZZING, Score
from fac_core.synthesis.runs import RunSettings, left_out, runs, start_run
from fac_core.workspace import Workspace, now
from tests.planted import Planted, keywords, peak, plant, recount

SINGLE = Purity(40, "poison", 0.95, 0.3, "with", 0.4, 2.0)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("asks how to poison somebody", []),
        ("poison · poisoned · toxin", []),
        ("the neuron activates on poison", ["prompt"]),
        ("poison, as in example 3", ["example"]),
        ("words like <<poison>>", ["marks"]),
        ("a ⟦poison⟧ that is named", ["marks"]),
        ("the passages name a poison", ["prompt"]),
        ("marked tokens that name a poison", ["prompt"]),
        ("poison, as in passage 3", ["example"]),
        ("poison in {{braces}}", ["marks"]),
        ("poison, cats, tax law, snow, violins, bread, oil", ["list"]),
        ("I cannot tell what poison texts share", ["cannot tell"]),
        ("poison " * 41, ["long"]),
        ("ways to poison food", ["duplicate"]),
        ("asks about medicine", ["token"]),
    ],
    ids=[
        "good",
        "keywords",
        "prompt",
        "example",
        "marks",
        "our-marks",
        "passages",
        "marked",
        "passage",
        "braces",
        "list",
        "cannot-tell",
        "long",
        "duplicate",
        "token",
    ],
)
def test_lint_says_what_is_wrong(text: str, codes: list[str]) -> None:
    found = lint(text, known=Sayings({7: "way to poison the food", 8: ""}), purity=SINGLE)
    assert [finding.code for finding in found] == codes
    assert all(finding.sentence.endswith(".") for finding in found)


WORDS = [
    "apple",
    "bomb",
    "cellar",
    "drum",
    "engine",
    "forest",
    "guitar",
    "harbor",
    "island",
    "jungle",
    "kettle",
    "ladder",
]


@given(st.lists(st.sets(st.sampled_from(WORDS), max_size=12), min_size=1, max_size=20), st.integers(0, 19))
def test_the_index_of_what_features_are_called_finds_what_reading_all_of_them_does(
    sets: list[set[str]], place: int
) -> None:
    texts = {feature: " ".join(sorted(words)) for feature, words in enumerate(sets)}
    mine = place % len(texts)
    said = telling(texts[mine])
    slow = [
        other
        for other, text in texts.items()
        if other != mine and said and len(said & telling(text)) >= NEAR * len(said | telling(text)) - 1e-9
    ]
    assert len(said) == len(sets[mine])
    assert Sayings(texts).same_as(texts[mine], mine) == min(slow, default=None)


def test_a_feature_of_one_token_is_called_so_and_one_of_many_is_not(ws: Workspace) -> None:
    words = ["salt", "pepper", "sugar", "flour"]
    rows = []
    for number in range(60):
        text = f"note {number}: add some {words[number % 4]} and Water to it"
        rows.append(
            Planted("anchor", text, {0: 3.0, 1: 3.0}, {0: peak(text, " Water"), 1: peak(text, words[number % 4])})
        )
    space = plant(ws, rows)
    refresh(ws, space, wait=True)
    one, many = purity(ws, space, 0), purity(ws, space, 1)
    assert one is not None and many is not None and purity(ws, space, 5) is None
    assert (one.token, one.share, one.entropy, one.before) == ("water", 1.0, 0.0, "and") and one.is_single_token
    assert many.share < 0.5 and 1.5 < many.entropy <= 2.0 and not many.is_single_token
    assert (many.before, many.before_share) == ("some", 1.0)


def evidence(protocol: str, value: float, low: float, n: int = 25) -> Evidence:
    return Evidence(protocol, "j", n, 25, value, low, 1.0)


@pytest.mark.parametrize(
    ("scores", "badge"),
    [
        ([], "unscored"),
        ([evidence(EMBEDDING, 0.9, 0.7)], "high"),
        ([evidence(EMBEDDING, 0.9, 0.69)], "middle"),
        ([evidence(EMBEDDING, 0.59, 0.51)], "low"),
        ([evidence(EMBEDDING, 0.7, 0.5)], "low"),
        ([evidence(EMBEDDING, 1.0, 0.8, n=4)], "unscored"),
        ([evidence(EMBEDDING, 0.9, 0.8), evidence(DETECTION, 0.55, 0.4)], "low"),
        ([evidence(DETECTION, 0.9, 0.8), evidence(FUZZING, 0.7, 0.55)], "middle"),
        ([Evidence(EMBEDDING, "j", 25, 25, None, None, None)], "unscored"),
    ],
    ids=["none", "high", "middle", "low-value", "chance", "few", "a-model-outranks", "the-weaker", "empty"],
)
def test_the_badge_follows_the_rule(scores: list[Evidence], badge: str) -> None:
    assert badge_of(scores) == badge


def test_the_score_beside_a_badge_is_the_one_it_rests_on_and_one_of_too_few_only_where_all_are() -> None:
    detection, fuzzing = evidence(DETECTION, 0.9, 0.8), evidence(FUZZING, 0.7, 0.55)
    few = evidence(DETECTION, 1.0, 0.9, n=4)
    assert name_score([evidence(EMBEDDING, 0.5, 0.3), detection, fuzzing]) == ("middle", fuzzing)
    assert name_score([few, evidence(EMBEDDING, 0.9, 0.8)]) == ("high", evidence(EMBEDDING, 0.9, 0.8))
    assert name_score([few]) == ("unscored", few) and name_score([]) is None
    assert name_score([few._replace(value=None, low=None, high=None)]) is None


def test_documents_without_an_answer_are_left_out_once() -> None:
    items = tuple(Item(n, n < 25, f"text {n}") for n in range(50))
    judged = [
        Judged(each.content_id, each.fires, float(each.fires) if 5 <= n < 35 else None) for n, each in enumerate(items)
    ]
    score, _ = score_of(Trial(DETECTION, 1, 1, "it", items), judged, judge="j", version="1", at=now())
    assert (score.n_firing, score.n_silent, score.n_unanswered) == (20, 10, 20)
    assert badge([score]) == "high" and not too_few(score)


def give_score(
    ws: Workspace,
    space: str,
    feature: int,
    value: float,
    low: float,
    protocol: str = EMBEDDING,
    version: str = "",
    n: int = 25,
) -> None:
    said = store.explanations_of(ws.database, space, [feature])[0].explanation_id
    version = version or versions(ws, space).encoder
    score = Score(0, said, feature, protocol, "tf-idf", version, n, 25, n, 20, 0, value, low, 1.0, now())
    with ws.database.transaction() as cursor:
        store.add_score(cursor, space, score)


@pytest.fixture
def named(ws: Workspace) -> tuple[Workspace, str]:
    texts = [f"say something about topic {number}" for number in range(8)]
    space = plant(ws, [Planted("anchor", text, {1: 2.0, 2: 3.0, 3: 4.0}) for text in texts])
    keywords(ws, space, {1: "one", 2: "two", 3: "three"})
    give_score(ws, space, 1, 0.9, 0.8)
    give_score(ws, space, 2, 0.55, 0.4)
    return ws, space


def test_a_new_name_has_no_score_until_it_is_given_one(named: tuple[Workspace, str]) -> None:
    ws, space = named
    assert badges(ws, space) == {1: "high", 2: "low"}
    keywords(ws, space, {1: "another"})
    assert badges(ws, space) == {2: "low"}


def test_scores_of_some_names_are_those_of_all_and_what_has_no_value_has_no_score(named: tuple[Workspace, str]) -> None:
    ws, space = named
    said = store.explanations_of(ws.database, space, [3])[0].explanation_id
    none = Score(0, said, 3, EMBEDDING, "tf-idf", versions(ws, space).encoder, 0, 0, 0, 0, 0, None, None, None, now())
    with ws.database.transaction() as cursor:
        store.add_score(cursor, space, none)
    found = name_scores(ws, space)
    assert found.keys() == {1, 2} and name_scores(ws, space, [2, 3]) == {2: found[2]}
    assert found[1].score == Evidence(EMBEDDING, "tf-idf", 25, 25, 0.9, 0.8, 1.0)
    rows = {row.feature_id: row for row in feature_page(ws, space, 1.0, sort="score").rows}
    assert list(rows)[:3] == [1, 2, 3] and (rows[1].score, rows[3].score) == (found[1].score, None)


def test_a_score_of_too_few_documents_is_told_and_sorts_with_none(named: tuple[Workspace, str]) -> None:
    ws, space = named
    give_score(ws, space, 3, 1.0, 0.9, n=4)
    rows = feature_page(ws, space, 1.0, sort="score").rows
    assert [row.feature_id for row in rows[:3]] == [1, 2, 3] and rows[2].score is not None and rows[2].score.too_few


def test_a_name_given_twice_has_one_badge_wherever_it_is_shown(named: tuple[Workspace, str]) -> None:
    ws, space = named
    for name in ("another", "one"):
        rename(ws, space, 1, name, "ana")
    assert badges(ws, space)[1] == overview(ws, space, 1).badge == "high"


def test_a_score_of_other_data_is_history_and_gives_no_badge(named: tuple[Workspace, str]) -> None:
    ws, space = named
    give_score(ws, space, 3, 0.9, 0.8, DETECTION, f"detect 1, documents {versions(ws, space).documents}")
    before = newest(ws, space)
    assert badges(ws, space) == {1: "high", 2: "low", 3: "high"} == {i: overview(ws, space, i).badge for i in (1, 2, 3)}
    held_out = "SELECT min(content_id) FROM content WHERE form_hash < ?"
    ws.database.rows(f"DELETE FROM sample WHERE content_id = ({held_out})", [hashes(SCORE)[1]])
    recount(ws, space)
    assert badges(ws, space) == {} and newest(ws, space) != before
    for feature in (1, 3):
        found = overview(ws, space, feature)
        assert found.badge == "unscored" and not found.explained[0].scores and len(found.explained[0].earlier) == 1


def test_another_threshold_makes_an_encoders_scores_history_and_not_a_models(named: tuple[Workspace, str]) -> None:
    ws, space = named
    give_score(ws, space, 3, 0.9, 0.8, DETECTION, f"detect 1, documents {versions(ws, space).documents}")
    set_delta(ws, space, 2.0)
    assert badges(ws, space) == {3: "high"}


def test_synthesis_leaves_out_what_is_trusted_less_than_asked_and_says_so(
    named: tuple[Workspace, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ws, space = named
    monkeypatch.setattr("fac_core.jobs.process.launch", lambda folder: None)
    assert left_out(ws, space, [1, 2, 3]) == "" and not mistrusted(ws, space, [2, 3])
    require_trust(ws, "middle")
    sentence = left_out(ws, space, [1, 2, 3])
    assert "features 2 (low), 3 (unscored)" in sentence and "at least middle trust" in sentence
    start_run(ws, space, 1.0, RunSettings(), [1, 2, 3])
    assert runs(ws)[0].n_targets == 1
    with pytest.raises(InputError, match=r"feature 2 \(low\)"):
        start_run(ws, space, 1.0, RunSettings(), [2])
    with pytest.raises(InputError, match="no least trust 'utter'"):
        require_trust(ws, "utter")
    require_trust(ws, "any")
    assert left_out(ws, space, [2]) == ""
