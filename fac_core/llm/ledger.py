"""A reply that was paid for is on disk before anything is made of it, and is never asked for again.

`request_hash` names a call by all that decides its answer: endpoint, model, both messages, settings, schema and the
version of the code that reads replies. The key is no part of it and is never written.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fac_core.jobs.journal import append_event, read_journal
from fac_core.llm.client import Reply
from fac_core.llm.endpoint import Endpoint

READING = 1
"""Version of how replies are read; a reply kept under another one is asked for anew."""


def request_hash(endpoint: Endpoint, asked: dict[str, Any]) -> str:
    """Name of a call; `asked` holds what `ChatClient.ask` is given, as JSON values."""
    told = json.dumps({**endpoint.without_key(), **asked, "reading": READING}, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


class Ledger:
    """Replies in a file, one a line; safe to share between threads. One process at a time may hold it."""

    def __init__(self, path: Path) -> None:
        """Read what an earlier start has left.

        Raises:
            StoreError: a line other than the last is damaged.
        """
        self._path = path
        self._lock = threading.Lock()
        self._replies = {line["request_hash"]: Reply(**line["reply"]) for line in read_journal(path)}

    def get(self, name: str) -> Reply | None:
        """The reply to a call that was made before."""
        return self._replies.get(name)

    def put(self, name: str, reply: Reply) -> None:
        """Keep a reply; it is on disk when this returns."""
        with self._lock:
            append_event(self._path, {"request_hash": name, "reply": asdict(reply)})
            self._replies[name] = reply
