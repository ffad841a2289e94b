"""*Recompute* on the Seed set page: what is stored is read again while it stays on screen."""

from __future__ import annotations

import pytest

from fac_core.feature_space.spaces import spaces
from fac_core.jobs import owner
from fac_core.workspace import Workspace
from tests.app.conftest import App
from tests.app.reading import said


def test_it_is_offered_only_where_something_was_read(empty_app: App) -> None:
    assert not [button for button in empty_app("seed_set").button if button.key == "read_again"]


@pytest.mark.usefixtures("jobs_in_process")
def test_reading_again_says_what_it_changed_and_the_health_card_appears(app: App, filled_ws: Workspace) -> None:
    with filled_ws.database.transaction() as cursor:
        for table in ("activation", "activation_by_feature"):
            cursor.execute(f"DELETE FROM {table} WHERE content_id = 3")
    at = app("seed_set")
    assert "a demo brings its activations along" in said(at)
    at.button(key="read_again").click().run()
    assert not at.exception
    while active := [job for job in owner.poll(filled_ws) if job.active]:
        assert owner.wait(filled_ws, active[0].job_id, timeout=200).state == "completed"
    at.run()
    assert "90 texts were read again: another set of features fires in 1 of them" in said(at)
    assert "Measured on" in said(at)
    assert filled_ws.database.one("SELECT count(*) > 0 FROM activation WHERE content_id = 3") == (True,)


def test_while_texts_are_read_it_waits(app: App, filled_ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fac_core.jobs.process.launch", lambda folder: None)
    owner.start(filled_ws, "extract", "Read 5 texts", {"space_id": spaces(filled_ws)[0].space_id})
    assert app("seed_set").button(key="read_again").disabled
