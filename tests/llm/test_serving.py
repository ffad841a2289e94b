"""The app's own local server, for real: a chat model that ignores structured output is asked, read and accounted for."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from fac_core.errors import EndpointError, InputError
from fac_core.jobs.folder import JobFolder
from fac_core.llm import serving as module
from fac_core.llm.asking import Question
from fac_core.llm.estimate import estimate
from fac_core.llm.prices import Cap
from fac_core.llm.quoting import RULE, quoted
from fac_core.llm.serving import serving
from fac_core.llm.spending import spend
from fac_core.llm.terms import Terms, make_asker
from fac_core.workspace import Workspace
from tests.tiny import LABELLED_TEXTS

SCHEMA = {
    "type": "object",
    "properties": {"topic": {"type": "string"}},
    "required": ["topic"],
    "additionalProperties": False,
}


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def topic_of(texts: list[str], number: int) -> Question:
    system = f'You name topics. {RULE} Answer only with JSON such as {{"topic": "sports"}}.'
    user = f"What is the topic of these texts?\n{quoted(texts)}\nAnswer with one JSON object."
    return Question(f"q{number}", "topic", system, user, 24, SCHEMA)


def test_without_its_extra_the_server_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'fac-explorer\[serve\]'"):
        with serving(tmp_path, tmp_path / "served"):
            pass


def test_a_taken_port_is_refused_and_a_server_that_ends_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: True)
    (tmp_path / "model").mkdir()
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        with pytest.raises(InputError, match="choose another"):
            with serving(tmp_path / "model", tmp_path / "served", held.getsockname()[1]):
                pass
    monkeypatch.setattr(module, "_command", lambda served, port: ["python3", "-c", "raise SystemExit('no such model')"])
    with pytest.raises(EndpointError, match="ended with code 1: no such model"):
        with serving(tmp_path / "model", tmp_path / "served", free_port()):
            pass


@pytest.mark.slow
@pytest.mark.real_model
def test_the_embedded_model_is_served_asked_and_its_cost_foreseen(ws: Workspace, tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    from fac_core.feature_space.embedded import backbone_folder

    first = [topic_of(LABELLED_TEXTS[n : n + 3], n) for n in range(6)]
    then = [topic_of(LABELLED_TEXTS[n : n + 1 + n % 4], n) for n in range(6, 22)]
    with serving(backbone_folder(), tmp_path / "served", free_port()) as endpoint:
        terms = Terms(endpoint.base_url, endpoint.model, cap=Cap(tokens=100_000))
        blind = estimate(ws, terms, first)
        answers = list(make_asker(JobFolder.create(ws.jobs / "one", "test", {}, {}), terms).answers(first))
        assert {answer.outcome for answer in answers} <= {"answered", "unreadable", "cut off"}
        assert any(answer.outcome == "answered" and answer.value["topic"] for answer in answers)
        (before,) = spend(ws, "one")

        foreseen = estimate(ws, terms, [*first, *then])
        assert foreseen.n_cached >= 6 - before.outcomes.get("unreadable", 0)
        list(make_asker(JobFolder.create(ws.jobs / "two", "test", {}, {}), terms).answers([*first, *then]))
        (after,) = spend(ws, "two")
    print(blind.sentence, foreseen.sentence, before, after, sep="\n")
    assert blind.tokens_in == pytest.approx(before.tokens_in, rel=0.02) or before.outcomes.get("unreadable")
    for name in ("tokens_in", "tokens_out"):
        assert getattr(foreseen, name) == pytest.approx(getattr(after, name), rel=0.2), name
    assert foreseen.calls == pytest.approx(after.n_attempts, rel=0.2)
    assert after.price is None and after.n_unpriced == after.n_attempts
