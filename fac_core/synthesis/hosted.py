"""The hosted generator asks an OpenAI-compatible endpoint; several calls run at once, replies come back in order.

An endpoint that cannot be used stops the run with its sentence; a single bad reply only costs the samples it should
have held. Replies that were in before a stop are taken from the journal of calls, with what they cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from fac_core.errors import EndpointError
from fac_core.llm.asking import Question
from fac_core.llm.budget import OverBudget
from fac_core.llm.desk import Desk
from fac_core.synthesis.generator import Request, Response, Style

PURPOSE = "synthesise"
"""Of a run's calls, in the ledger."""


class HostedGenerator:
    """Structured replies of an instructed model behind an endpoint."""

    style: Style = "chat"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        """One response for each request, in their order.

        Raises:
            EndpointError: the service is down, refuses the key or model, or keeps failing; or the cap is reached.
        """
        pool = ThreadPoolExecutor(self._desk.terms.at_once, thread_name_prefix="endpoint")
        try:
            yield from pool.map(self._ask, requests)
        except OverBudget:
            raise EndpointError(
                "The run's cap on spending is reached; what was written is kept. Start another run for what is still "
                "open, with a higher cap."
            ) from None
        finally:
            # calls under way are paid for: they come in and are kept before the error goes on
            pool.shutdown(wait=True, cancel_futures=True)

    def _ask(self, request: Request) -> Response:
        question = question_of(request)
        reply = self._desk.reply(question)
        usage = {**reply.usage, "model": self._desk.endpoint.model, "request_hash": self._desk.name_of(question)}
        return Response(reply.text, "refusal" if reply.finish == "filter" else reply.finish, usage)


def question_of(request: Request) -> Question:
    """A request as it is put to an endpoint."""
    return Question(
        key="",
        purpose=PURPOSE,
        system=request.prompt.system,
        user=request.prompt.user,
        max_tokens=request.max_tokens,
        schema=request.prompt.schema,
        temperature=request.temperature,
        seed=request.seed % 2**31,
        likely_out=request.likely_tokens,
    )
