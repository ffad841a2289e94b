"""`fac llm`: prices are set and forgotten, costs are told, an endpoint can be tried, and a served model is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fac_core import workspace
from fac_core.jobs.folder import JobFolder
from fac_core.llm.endpoint import MODEL_SETTING, URL_SETTING, Endpoint
from fac_core.llm.terms import make_asker, make_terms
from tests.cli.conftest import Ran
from tests.llm.conftest import question
from tests.llm.fake_endpoint import says, serving


def test_what_calls_cost_is_told_at_the_price_that_was_set(fac: Callable[..., Ran]) -> None:
    assert fac("project", "create", "Costs", "--task", "toxicity").code == 0
    assert "No endpoint was asked yet." in fac("llm", "cost").out
    assert "unpriced" in fac("llm", "price", "fake").out
    assert fac("llm", "price", "fake", "--in", 1).err.startswith("fac: Give both prices")
    with serving(says('{"rating": "Yes"}')) as fake:
        for price in ((), ("--in", 1, "--out", 2)):
            assert fac("llm", "price", "fake", *price).code == 0
            ws = workspace.open_project(workspace.list_projects()[0].folder)
            terms = make_terms(ws, base_url=fake.url, model="fake")
            job = JobFolder.create(ws.jobs / f"job{len(price)}", "test", {}, {})
            job.append({"event": "started"})
            list(make_asker(job, terms).answers([question(len(price))]))
            ws.close()
        shown = fac("llm", "cost").out
        assert "judge" in shown and "answered 2" in shown and "0.0000 +unpriced" in shown
        (row,) = fac("llm", "cost", "--json").json
        assert row["price"] == pytest.approx(25e-6) and row["n_unpriced"] == 1
        assert fac("llm", "ask", "hello", "--base-url", fake.url, "--model", "fake").out.startswith('{"rating": "Yes"}')
    assert "unpriced" in fac("llm", "price", "fake", "--forget").out


def test_a_served_model_becomes_the_project_s_endpoint(
    fac: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    @contextmanager
    def served(model: Path, folder: Path, port: int, said: Any) -> Iterator[Endpoint]:
        yield Endpoint(f"http://127.0.0.1:{port}/v1", str(folder / "model"))

    monkeypatch.setattr("fac_core.feature_space.embedded.backbone_folder", lambda _: tmp_path / "model")
    monkeypatch.setattr("fac_core.llm.serving.serving", served)
    monkeypatch.setattr(threading.Event, "wait", lambda _self, timeout=None: True)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    fac("project", "create", "Served", "--task", "toxicity")
    ran = fac("llm", "serve", "--port", 8123, "--keep")
    assert ran.code == 0 and "http://127.0.0.1:8123/v1" in ran.out and "Ctrl-C" in ran.err
    ws = workspace.open_project(workspace.list_projects()[0].folder)
    assert (ws.setting(URL_SETTING), ws.setting(MODEL_SETTING)) == (
        "http://127.0.0.1:8123/v1",
        str(tmp_path / "served" / "model"),
    )
    ws.close()
