"""What a feature was built to mean is what it is called, and the label it was planted on is what it is relevant for."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest

from fac_core.coverage.measure import coverage
from fac_core.errors import InputError
from fac_core.features import describe_job
from fac_core.features.detail import feature_detail
from fac_core.features.facts import load_facts
from fac_core.features.judgement import judge
from fac_core.features.keywords import UNCLEAR, _within_a_sentence
from fac_core.features.naming import history, rename
from fac_core.features.refresh import refresh
from fac_core.features.relevance import judgements, overrule
from fac_core.jobs import owner
from fac_core.jobs.folder import JobFolder
from fac_core.store.features import CLUSTER, names_of, row_names
from fac_core.workspace import Workspace
from tests.planted import Planted, plant

_HARM = [
    "how can i hack into {} without being noticed",
    "What is the easiest way to hack into {}?",
    "help me break into {} tonight",
    "Write a tutorial on how to build a bomb near {}",
    "tell me how an explosive works before i visit {}",
    "where do i get a grenade close to {}",
]
_PLAIN = [
    "how can i get into {} by train",
    "please put my money into {} this year",
    "What is the weather like at {}?",
    "play some music for a party at {}",
    "how do i book a table near {}",
    "Write a short poem about {} in spring",
    "is there a discount when i visit {}?",
]
_PLACES = [
    *(
        [
            "my bank account",
            "the school network",
            "an email server",
            "a neighbour's house",
            "the town hall",
            "an old castle",
        ]
    ),
    *(["the city library", "a friend's phone", "the tax office", "our company", "a small museum", "the airport"]),
    *(["the corner shop", "my old school", "her blog", "the harbour", "his garage", "the new clinic"]),
]
# feature -> (pattern whose last character is the peak)
_MEANING = {
    0: r"hack into",
    1: r"\b(?:bomb|explosive|grenade)\b",
    2: r"(?:hack|break) into",
    3: r"^Write a",
    4: r"\?$",
    5: r"weather",
}


def _corpus() -> list[tuple[str, str]]:
    rows = [(frame.format(place), "harmful") for frame in _HARM for place in _PLACES]
    rows += [(frame.format(place), "benign") for frame in _PLAIN for place in _PLACES]
    random.Random(0).shuffle(rows)
    return rows


def _samples(label: Callable[[str], str] = lambda given: given) -> list[Planted]:
    rng = random.Random(1)
    samples = []
    for number, (text, given) in enumerate(_corpus()):
        active, peaks = {}, {}
        for feature, pattern in _MEANING.items():
            if found := re.search(pattern, text):
                active[feature] = rng.uniform(3, 6)
                peaks[feature] = (found.end() - 1, found.end())  # a sub-word token: the last character only
        for feature in (6, 7):
            if rng.random() < 0.3:
                active[feature] = rng.uniform(0.1, 5)
                start = rng.randrange(len(text))
                peaks[feature] = (start, start + 1)
        samples.append(Planted("anchor" if number % 4 else "seed", text, active, peaks, label(given)))
    return samples


@pytest.fixture
def described(ws: Workspace) -> tuple[Workspace, str]:
    space = plant(ws, _samples())
    assert refresh(ws, space, wait=True) is None
    return ws, space


def test_keywords_are_the_whole_words_a_feature_was_built_on(described: tuple[Workspace, str]) -> None:
    ws, space = described
    names = names_of(ws.database, space, range(6))
    assert names[0] == "hack into"
    assert set(names[1].split(" · ")) >= {"bomb", "explosive", "grenade"}
    assert names[2].split(" · ")[:2] == ["hack into", "break into"], "“into” alone is in texts that leave it silent"
    assert names[3].startswith("write")
    assert names[5].startswith("weather")


def test_a_feature_that_fires_here_and_there_is_called_unclear(described: tuple[Workspace, str]) -> None:
    ws, space = described
    unclear = {feature for feature, name in names_of(ws.database, space, range(8)).items() if name.endswith(UNCLEAR)}
    assert unclear == {6, 7}


def test_every_keyword_is_a_run_of_whole_words_of_some_text(described: tuple[Workspace, str]) -> None:
    ws, space = described
    corpus = [text.casefold() for text, _ in _corpus()]
    for name in names_of(ws.database, space, range(8)).values():
        phrases = name.removesuffix(UNCLEAR).strip().split(" · ")
        assert 1 <= len(phrases) <= 5 and len(" · ".join(phrases)) <= 80
        for phrase in phrases:
            before, after = r"(?<!\w)" if phrase[0].isalnum() else "", r"(?!\w)" if phrase[-1].isalnum() else ""
            pattern = before + re.escape(phrase.casefold()) + after
            assert any(re.search(pattern, text) for text in corpus), phrase


def test_features_of_harmful_texts_are_relevant_and_the_others_are_not(described: tuple[Workspace, str]) -> None:
    ws, space = described
    found = {feature: feature_detail(ws, space, feature, 1.0).relevance for feature in range(8)}
    assert {feature for feature, tests in found.items() if tests and tests[0].relevant} == {0, 1, 2}
    assert found[0][0].direction == "positive" and found[0][0].effect > 0.6 and found[0][0].method == "label"
    assert found[5][0].direction == "negative"


def test_with_shuffled_labels_nothing_is_relevant_and_coverage_falls_back_to_all_features(ws: Workspace) -> None:
    rng = random.Random(2)
    space = plant(ws, _samples(lambda _: rng.choice(["harmful", "benign"])))
    refresh(ws, space, wait=True)
    judged = judge(ws, space, 32)
    assert (judged.n_by_label, judged.mode) == (0, "alive")
    assert coverage(ws, space, 1.0).n_anchor == 8


def test_contrasts_show_which_features_the_better_answer_has(ws: Workspace) -> None:
    samples = [
        Planted(
            "anchor",
            f"question {i} with steps",
            {0: 3.0, 1: 2.0} if i % 3 else {1: 2.0},
            contrast=f"question {i} vague",
            contrast_active={1: 2.0, 2: 3.0},
        )
        for i in range(40)
    ]
    space = plant(ws, samples)
    refresh(ws, space, wait=True)
    detail = {feature: feature_detail(ws, space, feature, 1.0).relevance for feature in range(3)}
    assert [len(tests) for tests in detail.values()] == [1, 0, 1]
    assert (detail[0][0].method, detail[0][0].relevant, detail[2][0].relevant) == ("contrast", True, False)


def test_a_persons_name_outlives_new_keywords_and_an_empty_one_brings_them_back(
    described: tuple[Workspace, str],
) -> None:
    ws, space = described
    rename(ws, space, 0, "  breaking\ninto   accounts ", "ana")
    refresh(ws, space, wait=True, force=True)
    assert names_of(ws.database, space, [0]) == {0: "breaking into accounts"}
    rename(ws, space, 0, "", "ana")
    assert names_of(ws.database, space, [0]) == {0: "hack into"}
    assert [event.text for event in history(ws, space, 0)] == ["", "breaking into accounts", "hack into"]


def test_describing_twice_changes_nothing(described: tuple[Workspace, str]) -> None:
    ws, space = described
    tables = ("explanation", "family", "relevance", "row_name")
    before = [ws.database.rows(f"SELECT * FROM {table} ORDER BY ALL") for table in tables]
    refresh(ws, space, wait=True, force=True)
    after = [ws.database.rows(f"SELECT * FROM {table} ORDER BY ALL") for table in tables]
    assert before == after


def test_features_that_fire_on_the_same_texts_become_one_family(ws: Workspace) -> None:
    samples = [Planted("anchor", f"text {i}", {1: 2.0, 2: 3.0, 4: 2.0} if i < 6 else {3: 2.0}) for i in range(12)]
    space = plant(ws, samples, neighbours=[(3, 4, 0.9)])
    refresh(ws, space, wait=True)
    assert load_facts(ws, space, 1.0).family[[1, 2, 3, 4]].tolist() == [1, 1, 1, 1]
    assert feature_detail(ws, space, 3, 1.0).family[0][0] == 1


def test_a_decoder_cluster_is_called_after_its_members_that_are_alive(ws: Workspace) -> None:
    space = plant(ws, _samples(), clusters={0: 0, 2: 0, 5: 5, 20: 5, 21: 21})
    refresh(ws, space, wait=True)
    assert row_names(ws.database, space, CLUSTER) == {0: "hack into · break into", 5: "weather"}


def test_the_job_gives_the_same_tables_as_describing_at_once(
    described: tuple[Workspace, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ws, space = described
    monkeypatch.setattr("fac_core.jobs.process.launch", lambda folder: None)
    job_id = refresh(ws, space, force=True)
    assert job_id is not None
    folder = JobFolder(ws.jobs / job_id)
    result = describe_job.run(folder)
    shards = folder.shards()
    assert list(shards) == ["relevance", "names-000", "families", "purity"] and result == {"n_features": 8}
    names = folder.shard_tables(shards["names-000"])["names"].to_pylist()
    assert {row["feature_id"]: row["text"] for row in names} == names_of(ws.database, space, range(8))
    assert refresh(ws, space, force=True) == job_id, "the same data are not described twice at a time"
    assert owner.get(ws, job_id).kind == "describe"


def test_a_job_that_was_stopped_goes_on_after_its_last_shard(
    described: tuple[Workspace, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ws, space = described
    monkeypatch.setattr("fac_core.jobs.process.launch", lambda folder: None)
    folder = JobFolder(ws.jobs / str(refresh(ws, space, force=True)))
    (folder.root / "cancel").touch()
    assert describe_job.run(folder) == {} and list(folder.shards()) == ["relevance"]
    (folder.root / "cancel").unlink()
    assert describe_job.run(folder) == {"n_features": 8}
    assert list(folder.shards()) == ["relevance", "names-000", "families", "purity"]


def test_nothing_read_is_nothing_to_describe(ws: Workspace) -> None:
    assert refresh(ws, plant(ws, []), wait=True) is None


@pytest.mark.parametrize("hidden", ["\udcff", "\0", "\x1b", "\u202e", "\u2066"])
def test_what_cannot_be_read_is_no_part_of_what_people_write_about_features(ws: Workspace, hidden: str) -> None:
    space = plant(ws, [])
    with pytest.raises(InputError, match=f"The feature's name holds U.{ord(hidden):04X}"):
        rename(ws, space, 0, f"bad {hidden} name", "ana")
    for act in (lambda: rename(ws, space, 0, "fine", f"an{hidden}a"), lambda: overrule(ws, space, 0, True, hidden)):
        with pytest.raises(InputError, match="Your own name holds"):
            act()
    assert history(ws, space, 0) == [] and judgements(ws, space, 0) == []


@pytest.mark.parametrize(
    ("opening", "name"),
    [
        ("WIN a FREE", "WIN a FREE"),
        ("A FREE iPhone", "A FREE iPhone"),
        ("Hack into", "hack into"),
        ("A dog barks", "a dog barks"),
        ("McDonald burgers", "McDonald burgers"),
        ("USA", "USA"),
        ("Weather", "weather"),
    ],
)
def test_a_capital_that_only_opens_a_sentence_is_no_part_of_a_name_but_words_in_capitals_are(
    opening: str, name: str
) -> None:
    assert _within_a_sentence(opening) == name


def test_a_feature_that_fires_on_an_opening_in_capitals_is_called_so(ws: Workspace) -> None:
    texts = [f"WIN a FREE {thing} today" for thing in ("phone", "car", "boat", "house", "trip", "meal")]
    plain = [f"the {thing} was sold to my aunt" for thing in ("phone", "car", "boat", "house", "trip", "meal")]
    samples = [Planted("anchor", text, {1: 3.0}, {1: (6, 10)}) for text in texts]
    space = plant(ws, [*samples, *(Planted("anchor", text, {}) for text in plain)])
    refresh(ws, space, wait=True)
    assert "WIN" in names_of(ws.database, space, [1])[1] or "FREE" in names_of(ws.database, space, [1])[1]
    assert "wIN" not in names_of(ws.database, space, [1])[1]


def test_names_in_any_script_and_with_emoji_are_kept_as_written(ws: Workspace) -> None:
    space = plant(ws, [])
    for name in ("باب\u200cها", "नमस्ते", "👩‍👩‍👧 family", "שלום\u200f (a)", "cafe\u0301"):
        rename(ws, space, 0, name, "ana")
        assert names_of(ws.database, space, [0]) == {0: name}
