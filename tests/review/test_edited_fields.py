"""An edited item becomes fields again, whatever the task."""

from __future__ import annotations

import pytest

from fac_core.errors import InputError
from fac_core.review.candidates import edited_fields
from fac_core.tasks import load_task

PAIR = {"prompt": "Why is the sky blue?", "chosen": "Light scatters.", "rejected": "It is paint."}
ITEM = {
    "question": "I think we should go. Should we? (A) Yes, as you say (B) No, stay",
    "positive": "(A)",
    "negative": "(B)",
}


def test_a_plain_text_is_its_only_field() -> None:
    assert edited_fields(load_task("toxicity"), {"text": "old"}, "new text") == {"text": "new text"}


@pytest.mark.parametrize(("task_id", "fields"), [("preference", PAIR), ("sycophancy", ITEM), ("survival", ITEM)])
def test_an_item_as_it_is_shown_gives_the_same_fields(task_id: str, fields: dict[str, str]) -> None:
    task = load_task(task_id)
    assert edited_fields(task, fields, task.item(fields)) == task.tidy(fields)


def test_one_field_can_be_changed_and_the_others_stay() -> None:
    task = load_task("preference")
    changed = edited_fields(task, PAIR, task.item({**PAIR, "chosen": "Air scatters blue light most."}))
    assert changed == {**PAIR, "chosen": "Air scatters blue light most."}


def test_a_text_that_lost_its_form_is_refused_with_the_form() -> None:
    with pytest.raises(InputError, match=r"keep its form: Question: \{prompt\} / Helpful answer"):
        edited_fields(load_task("preference"), PAIR, "just some words")


def test_an_answer_that_names_no_choice_is_refused() -> None:
    with pytest.raises(InputError, match="no "):
        edited_fields(load_task("sycophancy"), ITEM, "Question: Should we go? (A) Yes (B) No\nAnswer: (D)")
