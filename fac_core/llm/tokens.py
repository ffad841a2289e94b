"""Tokens are counted with the model's own tokenizer where it lies on this machine, else by experience, which is said.

Experience is what earlier calls of the same model took for each byte that was said; before there is any, a usual figure
stands in, and is called a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from fac_core.llm.asking import Question
from fac_core.llm.client import chat_messages
from fac_core.llm.desk import bytes_of
from fac_core.llm.endpoint import Endpoint
from fac_core.store.llm import Usage

TOKENS_PER_BYTE = 0.28
"""Of prose and JSON in the usual vocabularies."""
MOST_COUNTED = 100
"""Questions that are counted with a tokenizer; more are estimated from these by their bytes."""


class Counted(NamedTuple):
    """Tokens of questions as they are put first."""

    tokens_in: float
    how: str
    """Where the figure comes from, for people."""


def count_in(endpoint: Endpoint, questions: Sequence[Question], known: Usage | None) -> Counted:
    """Tokens that go in for some questions, template included."""
    said = sum(map(bytes_of, questions))
    if (tokenizer := _tokenizer_of(endpoint.model)) is not None and questions:
        step = -(-len(questions) // MOST_COUNTED)
        sample = questions[::step]
        tokens = sum(_count(tokenizer, question) for question in sample)
        return Counted(tokens * said / max(1, sum(map(bytes_of, sample))), "counted with the model's tokenizer")
    if known is not None:
        return Counted(said * known.tokens_per_byte, f"from {known.n_questions} earlier questions to this model")
    return Counted(said * TOKENS_PER_BYTE, "guessed from their length")


def _count(tokenizer: Any, question: Question) -> int:
    messages = chat_messages(question.system, question.user)
    return len(tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"])


def _tokenizer_of(model: str) -> Any:
    """The tokenizer of a model that is a folder here; None for every other name."""
    folder = Path(model)
    if not (folder.is_absolute() and (folder / "tokenizer.json").is_file()):
        return None
    return _loaded(folder, (folder / "tokenizer.json").stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _loaded(folder: Path, _written: int) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError):
        return None
    return tokenizer if tokenizer.chat_template else None
