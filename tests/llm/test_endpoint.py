"""Address and model belong to the project, the key to the person; the two never meet in a file."""

from __future__ import annotations

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
    "url",
    [
        *("", "localhost:8000", "ftp://host/v1", "http://", "http://[broken", "http://host:99999/v1"),
        *("javascript:alert(1)", "http://ho\x00st/v1", "http://host/\nv1", "http://a..b/v1", "http://ä..b/v1"),
        f"http://{'a' * 300}/v1",
    ],
)
def test_an_address_that_is_none_is_refused_with_a_sentence(ws: Workspace, url: str) -> None:
    with pytest.raises(InputError, match=r"endpoint's address"):
        endpoint.set_endpoint(ws, url, "m")


@pytest.mark.parametrize(
    "url",
    [
        "http://me:hunter2@host/v1",
        "https://hunter2@host/v1",
        "https://host/v1?api-key=hunter2",
        "https://host/v1#hunter2",
        "ftp://me:hunter2@host/v1",
        "http://[me:hunter2@host",
        "host:8000/v1?api-key=hunter2",
    ],
)
def test_a_secret_in_the_address_is_refused_and_not_repeated(ws: Workspace, url: str) -> None:
    with pytest.raises(InputError, match="must be plain") as caught:
        endpoint.set_endpoint(ws, url, "m")
    assert "hunter2" not in str(caught.value)
    ws.set_setting(endpoint.URL_SETTING, url)
    with pytest.raises(InputError, match="must be plain"):
        endpoint.endpoint_of(ws, model="m")


def test_the_key_goes_only_where_the_environment_or_a_person_here_points(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-abc")
    ws.set_setting(endpoint.URL_SETTING, "https://elsewhere.example/v1")
    ws.set_setting(endpoint.MODEL_SETTING, "m")
    received = endpoint.endpoint_of(ws)
    assert (received.key, received.withheld) == (endpoint.NO_KEY, True)
    assert endpoint.make_endpoint(endpoint.USUAL_URL, "m").key == "sk-abc"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://env:8000/v1")
    assert endpoint.make_endpoint("http://ENV:8000/v1", "m").key == "sk-abc"
    for url in ("http://env/v1", "http://env.example:8000/v1", endpoint.USUAL_URL):
        assert endpoint.make_endpoint(url, "m").withheld
    endpoint.set_endpoint(ws, "https://elsewhere.example/v1", "m")
    assert endpoint.endpoint_of(ws).key == "sk-abc"
    assert endpoint.make_endpoint("https://elsewhere.example.org/v1", "m").withheld
    assert endpoint.make_endpoint("http://elsewhere.example/v1", "m").withheld, "a key is not sent in the clear"
    assert "sk-abc" not in endpoint.hosts_file().read_text()
    monkeypatch.delenv("OPENAI_API_KEY")
    assert not endpoint.make_endpoint("https://anywhere.example/v1", "m").withheld, "there is nothing to withhold"


@pytest.mark.parametrize("key", ["schlüssel", "sk-abc\nsk-def", "two words", "a\tb"])
def test_a_key_that_no_header_can_carry_is_named_before_any_call(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(InputError, match=r"key in the environment .* copy it again") as caught:
        endpoint.make_endpoint("http://host/v1", "m")
    assert key not in str(caught.value) and endpoint.has_key()
    monkeypatch.delenv("OPENAI_API_KEY")
    endpoint.key_file().parent.mkdir(parents=True, exist_ok=True)
    endpoint.key_file().write_text(key, encoding="utf-8")
    with pytest.raises(InputError, match="copy it again"):
        endpoint.load_key()


def test_white_space_around_a_key_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not endpoint.has_key()
    monkeypatch.setenv("OPENAI_API_KEY", " sk-abc\n")
    assert endpoint.load_key() == "sk-abc"
    monkeypatch.setenv("OPENAI_API_KEY", " \n")
    assert endpoint.load_key() == endpoint.NO_KEY and not endpoint.has_key()


def put_key(key: str) -> None:
    """A person's own key file."""
    endpoint.key_file().parent.mkdir(parents=True, exist_ok=True)
    endpoint.key_file().write_text(key, encoding="utf-8")


def test_a_key_is_read_from_a_file_outside_every_project(ws: Workspace) -> None:
    assert endpoint.load_key() == endpoint.NO_KEY
    endpoint.set_endpoint(ws, "http://host/v1", "m")
    put_key(" sk-abc \n")
    assert endpoint.endpoint_of(ws).key == "sk-abc"
    assert ws.root not in endpoint.key_file().parents
    ws.close()
    held = [path for path in Path(ws.root).rglob("*") if path.is_file()]
    assert held and not any(b"sk-abc" in path.read_bytes() for path in held)
    put_key("")
    assert endpoint.load_key() == endpoint.NO_KEY


def test_the_environment_s_key_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    put_key("from-file")
    monkeypatch.setenv("FAC_LLM_API_KEY", "from-environment")
    assert endpoint.load_key() == "from-environment"


@pytest.mark.parametrize("key", ["two words", "schlüssel", "a\nb", "a\x00b"])
def test_a_key_that_no_header_can_carry_is_refused(key: str) -> None:
    put_key(key)
    with pytest.raises(InputError, match="copy it again"):
        endpoint.load_key()
