"""A batch service in this process: files go in, answers come out in another order, some of them as errors."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[[dict[str, Any]], tuple[int, dict[str, Any]] | None]
"""Status and body for a request's body; None leaves it out."""


class FakeBatches:
    """Ends each batch at the `polls`th look."""

    def __init__(self, reply: Reply, polls: int = 2) -> None:
        self.reply = reply
        self.polls = polls
        self.files: dict[str, bytes] = {}
        self.batches: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.status = "completed"
        self.absent = False
        self.url = ""

    def handle(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        if self.absent:
            return 404, _json({"error": {"message": "not here"}})
        path = path.split("?")[0].removeprefix("/v1")
        if (method, path) == ("POST", "/files"):
            boundary = body[: body.index(b"\r\n")]
            part = next(each for each in body.split(boundary) if b"filename=" in each)
            content = part.split(b"\r\n\r\n", 1)[1].strip()
            name = f"file-{len(self.files)}"
            self.files[name] = content
            return 200, _json({"id": name, "object": "file", "purpose": "batch"})
        if (method, path) == ("POST", "/batches"):
            asked = json.loads(body)
            batch = {
                "id": f"batch-{len(self.batches)}",
                "object": "batch",
                "status": "in_progress",
                "looks": 0,
                **asked,
            }
            self.batches.append({**batch, "output_file_id": None, "error_file_id": None})
            return 200, _json(self.batches[-1])
        if path == "/batches":
            return 200, _json({"object": "list", "data": self.batches[::-1], "has_more": False})
        if path.startswith("/batches/"):
            batch = next(each for each in self.batches if each["id"] == path.split("/")[2])
            batch["looks"] += 1
            if batch["looks"] >= self.polls and batch["status"] == "in_progress":
                self._end(batch)
            return 200, _json(batch)
        return 200, self.files[path.split("/")[2]]

    def _end(self, batch: dict[str, Any]) -> None:
        good, bad = [], []
        for line in self.files[batch["input_file_id"]].splitlines():
            asked = json.loads(line)
            self.asked.append(asked["body"])
            if (told := self.reply(asked["body"])) is not None:
                response = {"status_code": told[0], "body": told[1]}
                (good if told[0] == 200 else bad).append({"custom_id": asked["custom_id"], "response": response})
        for kind, lines in (("output", good), ("error", bad)):
            if lines:
                batch[f"{kind}_file_id"] = f"{kind}-{batch['id']}"
                self.files[f"{kind}-{batch['id']}"] = b"\n".join(map(_json, reversed(lines)))
        batch["status"] = self.status


@contextmanager
def serving_batches(fake: FakeBatches) -> Iterator[FakeBatches]:
    """The service, running on 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._do("GET")

        def do_POST(self) -> None:
            self._do("POST")

        def _do(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = fake.handle(method, self.path, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
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


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
