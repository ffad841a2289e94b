"""Many questions go out at once as far as the endpoint bears; what came in before a stop is kept, and a question that
fails alone costs only itself.

A question that fails counts as failed only when the service replies to another after it: where it replies to none, the
endpoint is down, and what was asked is asked again on resume. One that the service rejects as it stands would be
rejected again, so that is its outcome, and the job goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from fac_core.errors import EndpointError
from fac_core.llm.asking import Answer, Question
from fac_core.llm.client import CallFailed, CallRejected
from fac_core.llm.desk import Desk, Stopped

GIVE_UP_AFTER = 5
"""Questions that fail in a row before the endpoint counts as unusable."""


class EndpointAsker:
    """Asks one endpoint question by question; an `Asker`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def answers(self, questions: Iterable[Question]) -> Iterator[Answer]:
        """An answer for each question, as they come in; stops early where the job is cancelled.

        Raises:
            EndpointError: the service cannot be used at all; what came in before is kept.
        """
        desk, at_once = self._desk, self._desk.terms.at_once
        source = iter(questions)
        under_way: dict[Future[Answer], Question] = {}
        failed: list[tuple[Question, CallFailed]] = []
        replied = False
        error: EndpointError | None = None
        pool = ThreadPoolExecutor(at_once, thread_name_prefix="endpoint")
        try:
            while True:
                while len(under_way) < 2 * at_once and not desk.stopped():
                    if (question := next(source, None)) is None:
                        break
                    under_way[pool.submit(desk.answer, question)] = question
                if not under_way:
                    break
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    question = under_way.pop(future)
                    try:
                        answer = future.result()
                    except Stopped:
                        continue
                    except CallRejected as rejected:
                        answer = Answer(question.key, "rejected", {}, str(rejected), desk.name_of(question))
                    except CallFailed as alone:
                        failed.append((question, alone))
                        if len(failed) >= GIVE_UP_AFTER:
                            error = error or EndpointError(str(alone))
                        continue
                    except EndpointError as unusable:
                        error = error or unusable
                        continue
                    replied = True
                    yield answer
                    yield from self._failed(failed)
                    failed = []
                if error is not None:
                    desk.halted.set()
            if error is not None:
                raise error
            if failed and not replied and not desk.stopped():
                raise EndpointError(str(failed[-1][1]))
            yield from self._failed(failed)
        finally:
            # calls under way are paid for: they come in and are kept before anything else happens
            desk.halted.set()
            pool.shutdown(wait=True, cancel_futures=True)
            desk.halted.clear()

    def _failed(self, failed: Iterable[tuple[Question, CallFailed]]) -> Iterator[Answer]:
        for question, _ in failed:
            yield Answer(question.key, "failed", {}, "", self._desk.name_of(question))
