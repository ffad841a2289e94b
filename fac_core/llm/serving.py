"""A curator without an endpoint gets one on this machine from a model that is there already; nothing is downloaded.

The server is that of transformers, in a process of its own, and listens on this machine only. It answers to the path of
the folder it serves as the model's name, samples only where the folder's generation settings say so, and ignores a
request for structured output, so replies are read with tolerance.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from fac_core.errors import EndpointError, InputError, ModelError
from fac_core.llm.endpoint import Endpoint

HOST, PORT = "127.0.0.1", 8765
READY_S = 180.0
"""How long loading may take."""
LOG = "log.txt"
LAST_WORDS = 300
"""Characters of the server's log that are told when it ends by itself."""


@contextmanager
def serving(
    model: Path, folder: Path, port: int = PORT, said: Callable[[str], None] = lambda _: None
) -> Iterator[Endpoint]:
    """A running server for the model in a folder; it ends with the context.

    `folder` is made for what is served and for the server's log.

    Raises:
        InputError: the extra for serving is not installed, or the port is taken.
        ModelError: the folder cannot be written.
        EndpointError: the server does not start.
    """
    if any(find_spec(name) is None for name in ("fastapi", "uvicorn")):
        raise InputError("The local server is not installed; install it with: pip install 'fac-explorer[serve]'")
    _refuse_taken(port)
    try:
        served = _sampling(model, folder)
        log = (folder / LOG).open("wb")
    except OSError as error:
        raise ModelError(f"The folder {folder} cannot be written: {error.strerror or error}.") from error
    said("Loading the model")
    with log:
        server = subprocess.Popen(
            _command(served, port),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub"), "TOKENIZERS_PARALLELISM": "false"},
        )
        try:
            _await(server, port, folder / LOG)
            yield Endpoint(f"http://{HOST}:{port}/v1", str(served))
        finally:
            server.terminate()
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def answers_in_turn(endpoint: Endpoint) -> bool:
    """Whether an endpoint is a server of this module: it answers one question after the other, and those that wait for
    their turn would time out and be asked again.
    """
    served = Path(endpoint.model)
    return endpoint.base_url.startswith(f"http://{HOST}:") and served.is_absolute() and (served.parent / LOG).is_file()


def _command(served: Path, port: int) -> list[str]:
    program = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(served)]
    return [*program, "--host", HOST, "--port", str(port), "--device", "auto"]


def _sampling(model: Path, folder: Path) -> Path:
    """The same model with a temperature that is heard: links to its files beside settings of our own."""
    name = "generation_config.json"
    served = folder.resolve() / "model"
    served.mkdir(parents=True, exist_ok=True)
    for old in served.iterdir():
        old.unlink()
    for path in model.iterdir():
        if path.is_file() and path.name != name:
            (served / path.name).symlink_to(path.resolve())
    settings = json.loads((model / name).read_text(encoding="utf-8")) if (model / name).is_file() else {}
    (served / name).write_text(json.dumps({**settings, "do_sample": True}, indent=2), encoding="utf-8")
    return served


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            raise InputError(f"Something else listens on port {port}; choose another with --port.")


def _await(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        if server.poll() is not None:
            last = " ".join(log.read_text(encoding="utf-8", errors="replace")[-LAST_WORDS:].split())
            raise EndpointError(f"The local server has ended with code {server.returncode}: {last}")
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise EndpointError(f"The local server was not ready after {READY_S:.0f} s; see {log}.")
