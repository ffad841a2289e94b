"""The hosted generator asks an OpenAI-compatible endpoint; several calls run at once, replies come back in order.

An endpoint that cannot be used stops the run with its sentence; a single bad reply only costs the samples it should
have held. Replies that were in before a stop are taken from the ledger, with what they cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fac_core.llm.client import ChatClient
from fac_core.llm.ledger import Ledger, request_hash
from fac_core.synthesis.generator import Request, Response, Style

AT_ONCE = 4


class HostedGenerator:
    """Structured replies of an instructed model behind an endpoint."""

    style: Style = "chat"

    def __init__(self, client: ChatClient, ledger: Ledger | None = None, at_once: int = AT_ONCE) -> None:
        self._client = client
        self._ledger = ledger
        self._at_once = at_once

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        """One response for each request, in their order.

        Raises:
            EndpointError: the service is down, refuses the key or model, or keeps failing.
        """
        pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="endpoint")
        try:
            yield from pool.map(self._ask, requests)
        finally:
            # calls under way are paid for: they come in and are kept before the error goes on
            pool.shutdown(wait=True, cancel_futures=True)

    def _ask(self, request: Request) -> Response:
        asked: dict[str, Any] = {
            "system": request.prompt.system,
            "user": request.prompt.user,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed % 2**31,
            "schema": request.prompt.schema,
        }
        name = request_hash(self._client.endpoint, asked)
        reply = None if self._ledger is None else self._ledger.get(name)
        if reply is None:
            reply = self._client.ask(**asked)
            if self._ledger is not None:
                self._ledger.put(name, reply)
        usage = {**reply.usage, "model": self._client.endpoint.model, "request_hash": name}
        return Response(reply.text, reply.finish, usage)
