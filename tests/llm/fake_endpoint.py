"""An OpenAI-compatible endpoint in this process whose every answer is scripted."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


@dataclass
class FakeEndpoint:
    """Plays its script answer by answer; the last one is repeated."""

    script: list[Answer]
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def serving(*script: Answer, port: int = 0) -> Iterator[FakeEndpoint]:
    """A running endpoint on 127.0.0.1."""
    fake = FakeEndpoint(list(script))
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                answer = fake.script[min(len(fake.bodies), len(fake.script) - 1)]
                fake.bodies.append(body)
                fake.headers.append({name.lower(): value for name, value in self.headers.items()})
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client gave up waiting
                answer(self, body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def closed_url() -> str:
    """An address where nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{held.getsockname()[1]}/v1"


def says(text: str | None, finish: str = "stop", **message: Any) -> Answer:
    """A proper completion with this text."""
    return completion(
        [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}]
    )


def completion(choices: Any) -> Answer:
    """A completion with these choices."""
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "fake", "choices": choices, "usage": usage}
    return raw(json.dumps(body))


def fails(status: int, message: str = "no", headers: dict[str, str] | None = None, **error: Any) -> Answer:
    """An error with a JSON body as OpenAI sends it."""
    return raw(json.dumps({"error": {"message": message, **error}}), status, headers=headers)


def raw(body: str, status: int = 200, kind: str = "application/json", headers: dict[str, str] | None = None) -> Answer:
    """Any body at all."""

    def answer(handler: BaseHTTPRequestHandler, _body: dict[str, Any]) -> None:
        content = body.encode()
        handler.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def slow(seconds: float, then: Answer) -> Answer:
    """An answer that takes its time."""

    def answer(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        time.sleep(seconds)
        then(handler, body)

    return answer


def drops(handler: BaseHTTPRequestHandler, _body: dict[str, Any]) -> None:
    """Half a response, then the line is cut."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"id": "x", "choi')
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
