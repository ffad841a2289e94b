"""Lists, tags and notes say who set them, and taking one away leaves it in the history."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fac_core.errors import InputError
from fac_core.features.marks import KINDS, LIST, NOTE, TAG, history, mark, marks, names
from fac_core.store.marks import marked
from fac_core.workspace import Workspace
from tests.planted import Planted, plant


@pytest.fixture
def project(ws: Workspace) -> tuple[Workspace, str]:
    return ws, plant(ws, [Planted("anchor", "a text", {1: 2.0})])


def test_a_feature_is_on_several_lists_and_each_says_who_put_it_there(project: tuple[Workspace, str]) -> None:
    ws, space = project
    assert mark(ws, space, [1, 2, 2], LIST, "  to  read ", "ana") == 2
    assert mark(ws, space, [2, 3], LIST, "to read", "ben") == 1, "what is on a list is not put there twice"
    assert mark(ws, space, [2], LIST, "odd", "ben") == 1
    assert marked(ws.database, space, LIST, "to read").tolist() == [1, 2, 3]
    assert [(row.value, row.author) for row in marks(ws, space, 2)] == [("to read", "ana"), ("odd", "ben")]
    assert names(ws, space, LIST) == {"odd": 1, "to read": 3} and names(ws, space, TAG) == {}


def test_what_is_taken_away_is_gone_but_not_forgotten_and_can_come_back(project: tuple[Workspace, str]) -> None:
    ws, space = project
    mark(ws, space, [4], NOTE, "fires on thanks", "ana")
    assert mark(ws, space, [4, 5], NOTE, "fires on thanks", "ben", present=False) == 1
    assert marks(ws, space, 4) == [] and names(ws, space, NOTE) == {}
    mark(ws, space, [4], NOTE, "fires on thanks", "cem")
    assert [row.author for row in marks(ws, space, 4)] == ["cem"]
    assert [(event.present, event.author) for event in history(ws, space, 4)] == [
        (True, "cem"), (False, "ben"), (True, "ana"),
    ]  # fmt: skip


@given(st.lists(st.tuples(st.sets(st.integers(0, 5)), st.sampled_from(["a", "b"]), st.booleans()), max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
def test_lists_hold_what_a_set_would(project: tuple[Workspace, str], steps: list[tuple[set[int], str, bool]]) -> None:
    ws, space = project
    with ws.database.transaction() as cursor:
        cursor.execute("DELETE FROM feature_mark")
    held: dict[str, set[int]] = {"a": set(), "b": set()}
    for ids, name, present in steps:
        before = set(held[name])
        held[name] = before | ids if present else before - ids
        assert mark(ws, space, ids, TAG, name, "ana", present=present) == len(before ^ held[name])
    for name, ids in held.items():
        assert marked(ws.database, space, TAG, name).tolist() == sorted(ids)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mark_without_words_or_of_no_feature_is_refused(project: tuple[Workspace, str], kind: str) -> None:
    ws, space = project
    with pytest.raises(InputError, match="is empty"):
        mark(ws, space, [1], kind, " \n ", "ana")
    with pytest.raises(InputError, match="characters, and this one has 2000"):
        mark(ws, space, [1], kind, "x" * 2000, "ana")
    with pytest.raises(InputError, match="cannot be read"):
        mark(ws, space, [1], kind, "turned \u202e round", "ana")
    with pytest.raises(InputError, match="no feature 32"):
        mark(ws, space, [1, 32], kind, "fine", "ana")
    with pytest.raises(InputError, match="A mark is"):
        mark(ws, space, [1], "vote", "fine", "ana")
    assert marks(ws, space, 1) == []


@pytest.mark.parametrize("name", ["the work list", " The  Work list"])
def test_no_list_takes_the_name_of_the_work_list(project: tuple[Workspace, str], name: str) -> None:
    ws, space = project
    with pytest.raises(InputError, match="work list is one of its own"):
        mark(ws, space, [1], LIST, name, "ana")
    assert names(ws, space, LIST) == {} and mark(ws, space, [1], TAG, name, "ana") == 1
