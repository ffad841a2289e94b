"""A project with a run whose candidates are pool texts that were read, so every figure can be recomputed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fac_core.feature_space.spaces import set_delta
from fac_core.workspace import Workspace, now

DELTA = 1.0
RUN = "run-1"


def add_candidate(ws: Workspace, candidate_id: str, text: str, feature_id: int, **changed: Any) -> str:
    """Put one candidate straight into the store; its text must have been read."""
    row: dict[str, Any] = {
        "candidate_id": candidate_id, "run_id": RUN, "target_feature": feature_id, "step": 2, "attempt": 0,
        "origin": "generated", "text": text, "fields": json.dumps({"text": text}), "label": "harmful",
        "content_id": None, "outcome": "hit", "target_value": None, "control_hit": False,
        "assigned_feature": feature_id, "rank": 1, "prompt": "a prompt", "generation": "{}",
        "nearest_sample_id": None, "nearest_similarity": None, "created_at": now(),
    } | changed  # fmt: skip
    with ws.database.transaction() as cursor:
        found = cursor.execute("SELECT content_id FROM content WHERE text = ?", [text]).fetchone()
        row["content_id"] = row["content_id"] or (found[0] if found else None)
        cursor.execute(
            "INSERT INTO candidate VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            list(row.values()),
        )
    return candidate_id


def strongest(ws: Workspace, text: str) -> int:
    """The feature that fires most in a text that was read."""
    row = ws.database.one(
        "SELECT feature_id FROM activation JOIN content USING (content_id) WHERE text = ? "
        "ORDER BY value DESC, feature_id LIMIT 1",
        [text],
    )
    assert row is not None
    return int(row[0])


def add_run(ws: Workspace, space_id: str) -> None:
    """Add a run of candidates c00, c01, ... to the filled project: the pool's texts, each serving its top feature."""
    set_delta(ws, space_id, DELTA)
    with ws.database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO synthesis_run VALUES (?, ?, ?, 'local', '{}', [], ?)", [RUN, space_id, DELTA, now()]
        )
    texts = ws.database.rows(
        "SELECT c.text FROM sample s JOIN content c USING (content_id) WHERE s.dataset_id = 'pool' ORDER BY sample_id"
    )
    for number, (text,) in enumerate(texts):
        add_candidate(ws, f"c{number:02}", text, strongest(ws, text))


@pytest.fixture
def reviewed_ws(filled_ws: Workspace) -> Workspace:
    """The filled project with such a run."""
    return filled_ws


@pytest.fixture
def space_id(tiny_spec: Any) -> str:
    """The tiny space."""
    return str(tiny_spec.space_id)


@pytest.fixture
def table(reviewed_ws: Workspace) -> Callable[[], list[tuple[Any, ...]]]:
    """All derived rows that decisions can change, in a form that compares."""

    def read() -> list[tuple[Any, ...]]:
        samples = reviewed_ws.database.rows(
            "SELECT external_id, row_number, content_id, label, fields, meta FROM sample "
            "WHERE dataset_id = 'approved' ORDER BY external_id"
        )
        profile = reviewed_ws.database.rows("SELECT dataset_id, feature_id, bin, n FROM profile ORDER BY ALL")
        totals = reviewed_ws.database.rows("SELECT dataset_id, n_samples, n_unread FROM profile_total ORDER BY ALL")
        return [*samples, *profile, *totals]

    return read
