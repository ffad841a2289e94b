"""The key lives in the environment or in one private file of the person, never in a project, a job, a log or an export.

Address and model are settings of a project and travel with provenance; the key is looked up where a call is made.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from fac_core.errors import EndpointError, InputError
from fac_core.workspace import Workspace, home

URL_SETTING, MODEL_SETTING = "llm.base_url", "llm.model"
NO_KEY = "none"
"""Sent where no key is set: local servers take any."""


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible service."""

    base_url: str
    model: str
    key: str = field(default=NO_KEY, repr=False)

    def without_key(self) -> dict[str, str]:
        """What may be stored with a job or a candidate."""
        return {"base_url": self.base_url, "model": self.model}


def endpoint_of(ws: Workspace, base_url: str = "", model: str = "") -> Endpoint:
    """The endpoint of a project: what is given, else its settings, else the environment.

    ``FAC_LLM_BASE_URL``, ``FAC_LLM_MODEL`` and ``FAC_LLM_API_KEY`` come before the ``OPENAI_…`` names.

    Raises:
        InputError: no address or model is known, or the address is no web address.
    """
    url = base_url or ws.setting(URL_SETTING) or _environment("BASE_URL")
    name = model or ws.setting(MODEL_SETTING) or _environment("MODEL")
    return make_endpoint(url, name)


def make_endpoint(base_url: str, model: str) -> Endpoint:
    """An endpoint with the key that is set on this machine.

    Raises:
        InputError: an address or model is missing, or the address is no web address.
    """
    url = base_url.strip().rstrip("/")
    if not url or not model.strip():
        raise InputError("Set the endpoint's address and model in the settings, or generate with the local model.")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        secret = parts.username or parts.password
    except ValueError:
        usable, secret = False, None
    if not usable:
        raise InputError(f"The endpoint's address {url[:80]!r} is no web address; it should look like http://host/v1.")
    if secret:
        raise InputError("The endpoint's address must not hold a user name or password; set the key instead.")
    return Endpoint(url, model.strip(), load_key())


def set_endpoint(ws: Workspace, base_url: str, model: str) -> None:
    """Keep address and model with the project.

    Raises:
        InputError: the address is no web address, or one of the two is missing.
    """
    chosen = make_endpoint(base_url, model)
    ws.set_setting(URL_SETTING, chosen.base_url)
    ws.set_setting(MODEL_SETTING, chosen.model)


def key_file() -> Path:
    """Where a typed key is kept, outside of every project."""
    return home() / "endpoint.key"


def load_key() -> str:
    """The key: from the environment, else from the key file, else a word that local servers accept."""
    if named := _environment("API_KEY"):
        return named
    try:
        return key_file().read_text(encoding="utf-8").strip() or NO_KEY
    except (OSError, UnicodeDecodeError):
        return NO_KEY


def save_key(key: str) -> None:
    """Keep a key in a file that only this person can read; an empty key removes it.

    Raises:
        InputError: the key holds white space or characters that no header can carry.
        EndpointError: the file cannot be written.
    """
    key = key.strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise InputError("The key holds characters that no key has; copy it again.")
    path = key_file()
    try:
        path.unlink(missing_ok=True)
        if key:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
                handle.write(key)
    except OSError as error:
        raise EndpointError(f"The key could not be kept in {path}: {error.strerror or error}.") from error


def _environment(name: str) -> str:
    return os.environ.get(f"FAC_LLM_{name}") or os.environ.get(f"OPENAI_{name}") or ""
