"""Address and model belong to the project, the key to the person; the two never meet in a file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from fac_core.errors import InputError
from fac_core.llm import endpoint
from fac_core.workspace import Workspace

VARIABLES = [f"{who}_{what}" for who in ("FAC_LLM", "OPENAI") for what in ("BASE_URL", "API_KEY", "MODEL")]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_what_is_given_comes_before_settings_and_settings_before_the_environment(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://env/v1")
    monkeypatch.setenv("FAC_LLM_MODEL", "env-model")
    assert endpoint.endpoint_of(ws).without_key() == {"base_url": "http://env/v1", "model": "env-model"}
    endpoint.set_endpoint(ws, "http://project/v1/", "project-model")
    assert endpoint.endpoint_of(ws).without_key() == {"base_url": "http://project/v1", "model": "project-model"}
    assert endpoint.endpoint_of(ws, "https://given/v1", "m").base_url == "https://given/v1"


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://host/v1", "http://", "http://[broken", "javascript:alert(1)"]
)
def test_an_address_that_is_none_is_refused_with_a_sentence(ws: Workspace, url: str) -> None:
    with pytest.raises(InputError, match=r"endpoint's address"):
        endpoint.set_endpoint(ws, url, "m")


def test_a_secret_in_the_address_is_refused_and_not_repeated(ws: Workspace) -> None:
    with pytest.raises(InputError) as caught:
        endpoint.set_endpoint(ws, "http://me:hunter2@host/v1", "m")
    assert "hunter2" not in str(caught.value)


def test_a_typed_key_is_kept_outside_every_project_for_this_person_only(ws: Workspace) -> None:
    assert endpoint.load_key() == endpoint.NO_KEY
    endpoint.set_endpoint(ws, "http://host/v1", "m")
    endpoint.save_key(" sk-abc \n")
    assert endpoint.endpoint_of(ws).key == "sk-abc"
    assert stat.S_IMODE(endpoint.key_file().stat().st_mode) == 0o600
    assert ws.root not in endpoint.key_file().parents
    ws.close()
    held = [path for path in Path(ws.root).rglob("*") if path.is_file()]
    assert held and not any(b"sk-abc" in path.read_bytes() for path in held)
    endpoint.save_key("")
    assert endpoint.load_key() == endpoint.NO_KEY


def test_the_environment_s_key_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint.save_key("from-file")
    monkeypatch.setenv("FAC_LLM_API_KEY", "from-environment")
    assert endpoint.load_key() == "from-environment"


@pytest.mark.parametrize("key", ["two words", "schlüssel", "a\nb", "a\x00b"])
def test_a_key_that_no_header_can_carry_is_refused(key: str) -> None:
    with pytest.raises(InputError, match="copy it again"):
        endpoint.save_key(key)
