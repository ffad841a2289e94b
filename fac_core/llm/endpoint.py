"""The key lives in the environment or in one private file of the person, never in a project, a job, a log or an export.

Address and model are settings of a project and travel with provenance; the key is looked up where a call is made. A
project that came from somewhere else names any address it likes, so the key goes only to the address that the
environment names and to those a person entered on this machine.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from fac_core.errors import EndpointError, InputError
from fac_core.jobs.journal import write_whole
from fac_core.workspace import Workspace, home

URL_SETTING, MODEL_SETTING = "llm.base_url", "llm.model"
NO_KEY = "none"
"""Sent where no key is set: local servers take any."""
USUAL_URL = "https://api.openai.com/v1"
"""The address that a key of the environment is for if none is named there."""


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible service."""

    base_url: str
    model: str
    key: str = field(default=NO_KEY, repr=False)
    withheld: bool = False
    """Whether there is a key that this address does not get."""

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
    """An endpoint with the key that is set on this machine, if the key may go there.

    Raises:
        InputError: an address or model is missing, the address is no plain web address, or the key is no key.
    """
    url = base_url.strip().rstrip("/")
    if not url or not model.strip():
        raise InputError("Set the endpoint's address and model in the settings, or generate with the local model.")
    if any(mark in url for mark in "?#@"):
        raise InputError(
            "The endpoint's address must be plain, such as https://host/v1, without user name, password or anything "
            "after ? or #; set the key instead."
        )
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        host.encode("idna")  # as a connection does; other scripts are written as xn--
        usable = parts.scheme in {"http", "https"} and bool(host) and parts.port != 0
        usable = usable and host.isascii() and url.isprintable()
    except ValueError:
        usable = False
    if not usable:
        raise InputError(f"The endpoint's address {url[:80]!r} is no web address; it should look like http://host/v1.")
    key = load_key()
    withheld = key != NO_KEY and _origin(url) not in _confirmed()
    return Endpoint(url, model.strip(), NO_KEY if withheld else key, withheld)


def set_endpoint(ws: Workspace, base_url: str, model: str) -> None:
    """Keep address and model with the project, as a person entered them.

    Raises:
        InputError: the address is no plain web address, or one of the two is missing.
        EndpointError: the list of confirmed hosts cannot be written.
    """
    chosen = make_endpoint(base_url, model)
    confirm(chosen.base_url)
    ws.set_setting(URL_SETTING, chosen.base_url)
    ws.set_setting(MODEL_SETTING, chosen.model)


def confirm(base_url: str) -> None:
    """Note that a person at this machine named an address, so that the key may go there.

    Raises:
        EndpointError: the list of confirmed hosts cannot be written.
    """
    path, confirmed = hosts_file(), _confirmed()
    if _origin(base_url) in confirmed:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, "".join(f"{host}\n" for host in sorted({*_lines(path), _origin(base_url)})))
    except OSError as error:
        raise EndpointError(f"The endpoint could not be noted in {path}: {error.strerror or error}.") from error


def hosts_file() -> Path:
    """Where the hosts are noted that a person named on this machine, outside of every project."""
    return home() / "endpoint.hosts"


def key_file() -> Path:
    """Where a typed key is kept, outside of every project."""
    return home() / "endpoint.key"


def load_key() -> str:
    """The key: from the environment, else from the key file, else a word that local servers accept.

    Raises:
        InputError: what is set there is no key.
    """
    if named := _environment("API_KEY").strip():
        return _checked(named, "The key in the environment (FAC_LLM_API_KEY or OPENAI_API_KEY)")
    return _checked("\n".join(_lines(key_file())), f"The key in {key_file()}") or NO_KEY


def has_key() -> bool:
    """Whether a key is set on this machine, good or not."""
    return bool(_environment("API_KEY").strip() or _lines(key_file()))


def _checked(key: str, what: str) -> str:
    """A key that a header can carry; it is never repeated in a sentence."""
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise InputError(f"{what} holds characters that no key has; copy it again.")
    return key


def _confirmed() -> set[str]:
    """Hosts that the key may go to."""
    return {_origin(_environment("BASE_URL") or USUAL_URL), *_lines(hosts_file())}


def _origin(url: str) -> str:
    """Host and port of an address; one without encryption is another, since whoever is on the way reads the key."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return ""
    host = parts.netloc.casefold()
    return host if parts.scheme == "https" else f"{parts.scheme}://{host}"


def _lines(path: Path) -> list[str]:
    """Lines of a small file of ours that hold something; none if it cannot be read."""
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        return []


def _environment(name: str) -> str:
    return os.environ.get(f"FAC_LLM_{name}") or os.environ.get(f"OPENAI_{name}") or ""
