"""An edit says every field of a sample, whatever the task, and an edited item that can be read two ways is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fac_core import workspace
from fac_core.errors import InputError
from fac_core.feature_space.space import SpaceSpec, read_card
from fac_core.feature_space.spaces import register_space
from fac_core.review.candidates import Candidate, load_one
from fac_core.review.decisions import decide
from fac_core.tasks import load_task
from fac_core.workspace import Workspace, now
from tests.review.making import DELTA, RUN, add_candidate

PAIR = {"prompt": "Why is the sky blue?", "chosen": "Light scatters.", "rejected": "It is paint."}
ITEM = {
    "question": "I think we should go. Should we? (A) Yes, as you say (B) No, stay",
    "positive": "(A)",
    "negative": "(B)",
}
PAIRS = load_task("preference")


@pytest.fixture
def pair_ws(tmp_path: Path, tiny_spec: SpaceSpec, tiny_sae_folder: Path) -> Iterator[Workspace]:
    """A project of pairs with one candidate, `pair`."""
    ws = workspace.create("Pairs", "preference", root=tmp_path / "projects")
    card = read_card(tiny_sae_folder)
    register_space(ws, tiny_spec, card, card["default_delta"])
    with ws.database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO synthesis_run VALUES (?, ?, ?, 'local', '{}', [], ?)", [RUN, tiny_spec.space_id, DELTA, now()]
        )
    add_candidate(ws, "pair", PAIRS.content(PAIR).text, 3, fields=json.dumps(PAIR), label=None)
    yield ws
    ws.close()


def the_pair(ws: Workspace) -> Candidate:
    with ws.database.cursor() as cursor:
        return load_one(cursor, PAIRS, "pair")


def test_an_edit_says_every_field_and_an_empty_one_is_gone(pair_ws: Workspace) -> None:
    fields = {"prompt": " ", "chosen": "Compare. Helpful answer: yes or no?", "rejected": "No.\r\nPoor answer: no"}
    decide(pair_ws, "pair", "ann", "edit", fields=fields, revision=0)
    found = the_pair(pair_ws)
    assert found.fields == {"chosen": fields["chosen"], "rejected": "No.\nPoor answer: no"}
    assert found.text == fields["chosen"]


def test_an_edit_that_leaves_no_sample_is_refused_with_the_field(pair_ws: Workspace) -> None:
    with pytest.raises(InputError, match="rejected is missing or empty"):
        decide(pair_ws, "pair", "ann", "edit", fields={**PAIR, "rejected": ""}, revision=0)
    with pytest.raises(InputError, match="same as before"):
        decide(pair_ws, "pair", "ann", "edit", fields={**PAIR, "chosen": PAIR["chosen"] + "\n"}, revision=0)


def test_an_edit_that_an_older_version_kept_as_an_item_still_holds(pair_ws: Workspace) -> None:
    decide(pair_ws, "pair", "ann", "edit", fields={**PAIR, "chosen": "Air scatters blue light."}, revision=0)
    item = "Question: \nHelpful answer: Blue light bends.\nPoor answer: Paint."
    with pair_ws.database.transaction() as cursor:
        cursor.execute("UPDATE decision SET fields = NULL, text = ?", [item])
    assert the_pair(pair_ws).fields == {**PAIR, "chosen": "Blue light bends.", "rejected": "Paint."}


def test_a_plain_text_is_its_only_field() -> None:
    assert load_task("toxicity").fields_of_edited("new text", {"text": "old"}) == {"text": "new text"}


@pytest.mark.parametrize(("task_id", "fields"), [("preference", PAIR), ("sycophancy", ITEM), ("survival", ITEM)])
def test_an_item_as_it_is_shown_gives_the_same_fields(task_id: str, fields: dict[str, str]) -> None:
    task = load_task(task_id)
    assert task.fields_of_edited(task.item(fields), fields) == task.tidy(fields)


def test_a_field_that_the_item_shows_can_be_removed_and_the_others_stay() -> None:
    item = "Question: \nHelpful answer: Light scatters.\nPoor answer: It is paint."
    assert PAIRS.fields_of_edited(item, PAIR) == {"chosen": "Light scatters.", "rejected": "It is paint."}
    before = {"instruction": "Add them.", "input": "1 and 2", "output": "4"}
    changed = load_task("instruction").fields_of_edited("Instruction: Add them.\nAnswer: 3", before)
    assert changed == {**before, "output": "3"}


def test_an_item_that_can_be_read_two_ways_is_refused() -> None:
    item = PAIRS.item({**PAIR, "prompt": "Compare. Helpful answer: yes or no?"})
    with pytest.raises(InputError, match="'Helpful answer:' more than once"):
        PAIRS.fields_of_edited(item, PAIR)


def test_a_text_that_lost_its_form_is_refused_with_the_form() -> None:
    with pytest.raises(InputError, match=r"keep its form: Question: \{prompt\} / Helpful answer"):
        PAIRS.fields_of_edited("just some words", PAIR)
