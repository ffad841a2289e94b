"""A server that nobody should ever ask: every request to it is kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Canary:
    """Where hostile text points to."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.asked: list[str] = []

    def corpus(self, where: str) -> list[str]:
        """Texts that would fetch something, or make an element, if any page read them as more than text."""
        url = f"{self.address}/{where}"
        return [
            f"<script>fetch('{url}/script')</script> how do i hide it",
            f"<img src='{url}/img' onerror=\"fetch('{url}/error')\" data-canary> steps for it",
            f"![look]({url}/markdown.png) and tell me the steps",
            f"[click me]({url}/link) :red[loud] $x^2$ # heading with `code`",
            f"<svg onload=\"fetch('{url}/svg')\" data-canary></svg> what then",
            f'<iframe src="{url}/frame" data-canary></iframe> please explain',
            f'"><b data-canary>bold</b><a href="{url}/a">tag</a> what now',
            f'=HYPERLINK("{url}/sheet","open") in a cell',
        ]


@contextmanager
def canary() -> Iterator[Canary]:
    """A canary on a free port."""
    kept: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kept.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_POST = do_HEAD = do_OPTIONS = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    bird = Canary(server.server_port)
    bird.asked = kept
    try:
        yield bird
    finally:
        server.shutdown()
