"""A batch that was handed in is found again after a restart, and what it answers is paid once.

An endpoint with a batch service answers thousands of questions within a day, for less. Its attempts begin in the
journal before the batch is handed in, under a word of ours that the service keeps with it: a process that dies between
handing in and noting the batch's id asks the service for that word, rather than to do the work again.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

from fac_core.errors import EndpointError
from fac_core.llm.asking import Answer, Question
from fac_core.llm.budget import OverBudget
from fac_core.llm.calls import LOST
from fac_core.llm.client import OUTCOMES, Ending, Reply, chat_messages, chat_settings, reply_in
from fac_core.llm.desk import Desk
from fac_core.llm.failures import OPTIONAL, names_content_filter, rejection, setting_in
from fac_core.llm.kept import asked_of, standing

if TYPE_CHECKING:
    from openai import OpenAI

    from fac_core.llm.calls import Attempt

MOST_LINES, MOST_BYTES = 50_000, 150_000_000
"""Of one batch; the usual limits are 50,000 and 200 MB."""
POLL_S = 30.0
ROUNDS = 3
"""Batches a question may be in: the first, one without a setting that the server does not take, one asked once more."""
LOOKED_THROUGH = 1000
"""Newest batches of the account among which one is sought whose id was not noted."""
WORD = "fac_batch"
PATH: Literal["/v1/chat/completions"] = "/v1/chat/completions"
_ENDED = {"completed", "failed", "expired", "cancelled"}


class BatchAsker:
    """Asks through an endpoint's batch service; an `Asker`."""

    def __init__(self, desk: Desk, poll_s: float = POLL_S) -> None:
        self._desk = desk
        self._poll_s = poll_s
        self._rejected: dict[str, str] = {}
        """Questions that the service does not take, with the sentence about it."""

    def answers(self, questions: Iterable[Question]) -> Iterator[Answer]:
        """An answer for each question; stops early where the job is cancelled, and a batch goes on meanwhile.

        Raises:
            EndpointError: the service cannot be used, or has no batches.
        """
        desk = self._desk
        self._collect()
        left = list(questions)
        for number in range(ROUNDS + 1):
            asked: dict[str, tuple[Question, bool]] = {}
            waiting: list[tuple[Question, str]] = []
            for question in left:
                found = self._standing(question)
                if isinstance(found, Answer):
                    yield found
                    continue
                name = desk.name_of(found)
                if name in self._rejected:
                    yield Answer(question.key, "rejected", {}, self._rejected[name], name)
                elif number == ROUNDS:
                    yield Answer(question.key, "failed", {}, "", name)
                else:
                    waiting.append((question, name))
                    asked[name] = found, found is not question
            if not waiting or desk.stopped():
                return
            over = self._hand_in(asked)
            left = []
            for question, name in waiting:
                if name in over:
                    yield Answer(question.key, "over budget", {}, "", name)
                else:
                    left.append(question)
            if not self._collect():
                return

    def _standing(self, question: Question) -> Answer | Question:
        """A question's answer, or what is to be asked for it next."""
        desk = self._desk
        found = standing(desk.calls, desk.endpoint, question, own=desk.own_only(question))
        if isinstance(found, Answer):
            desk.calls.read_as(found.request_hash, found.outcome)
        return found

    def _hand_in(self, asked: dict[str, tuple[Question, bool]]) -> set[str]:
        """Hand in questions, each with whether it is put once more, in one batch or several.

        Returns the names of those that do not fit under the cap.
        """
        over: set[str] = set()
        lines: list[bytes] = []
        attempts: list[Attempt] = []
        for name, (question, again) in asked.items():
            attempt = self._desk.planned(question, again=again)
            line = self._line(question, attempt.attempt_id)
            if lines and (len(lines) >= MOST_LINES or sum(map(len, lines)) + len(line) > MOST_BYTES):
                self._submit(lines, attempts)
                lines, attempts = [], []
            try:
                self._desk.budget.reserve(attempt, wait=False)
            except OverBudget:
                over.add(name)
                continue
            lines.append(line)
            attempts.append(attempt)
        if lines:
            self._submit(lines, attempts)
        return over

    def _line(self, question: Question, attempt_id: str) -> bytes:
        said = asked_of(question)
        messages = chat_messages(said.pop("system"), said.pop("user"))
        settings = self._desk.client.sent_of(chat_settings(**said))
        body = {"model": self._desk.endpoint.model, "messages": messages, **settings}
        line = {"custom_id": attempt_id, "method": "POST", "url": PATH, "body": body}
        return json.dumps(line).encode() + b"\n"

    def _submit(self, lines: Sequence[bytes], attempts: Sequence[Attempt]) -> None:
        desk, word = self._desk, secrets.token_hex(8)
        desk.calls.begin(*attempts)
        desk.calls.note({WORD: word, "attempts": [attempt.attempt_id for attempt in attempts]})
        content = b"".join(lines)
        try:
            file = desk.client.tried(lambda api: api.files.create(file=("questions.jsonl", content), purpose="batch"))
        except EndpointError as error:
            self._end(attempts, {})
            desk.calls.note({WORD: word, "ended": True})
            raise EndpointError(
                f"The endpoint takes no file for a batch; if it has no batch service, start without one. {error}"
            ) from None
        # not tried twice: one that was handed in without our hearing of it is found by its word on resume
        batch = desk.client.tried(
            lambda api: api.batches.create(
                input_file_id=file.id, endpoint=PATH, completion_window="24h", metadata={WORD: word}
            ),
            attempts=1,
        )
        desk.calls.note({WORD: word, "id": batch.id})

    def _collect(self) -> bool:
        """Wait for every batch that was handed in and keep what it answers; False if the job was cancelled first."""
        batches: dict[str, dict[str, Any]] = {}
        for note in self._desk.calls.notes:
            if WORD in note:
                batches.setdefault(note[WORD], {}).update(note)
        for word, noted in batches.items():
            if "ended" in noted:
                continue
            batch_id = noted.get("id") or self._sought(word)
            results: dict[str, Any] = {}
            if batch_id is not None:
                if (batch := self._awaited(batch_id)) is None:
                    return False
                results = self._results(batch)
            self._end([self._desk.calls.attempts[each] for each in noted["attempts"]], results)
            self._desk.calls.note({WORD: word, "ended": True})
        return True

    def _end(self, attempts: Sequence[Attempt], results: dict[str, Any]) -> None:
        for attempt in attempts:
            if attempt.outcome == LOST:
                result = results.get(attempt.attempt_id)
                told = self._desk.calls.end(attempt, self._ending(result, attempt.request_hash))
                self._desk.budget.settle(attempt, told)

    def _sought(self, word: str) -> str | None:
        """Id of the batch that was handed in under a word, if it was."""

        def find(api: OpenAI) -> str | None:
            newest = islice(api.batches.list(limit=100), LOOKED_THROUGH)
            return next((str(each.id) for each in newest if (each.metadata or {}).get(WORD) == word), None)

        return self._desk.client.tried(find)

    def _awaited(self, batch_id: str) -> Any:
        """A batch once it has ended; None if the job was cancelled first."""
        while True:
            batch = self._desk.client.tried(lambda api: api.batches.retrieve(batch_id))
            if batch.status in _ENDED:
                return batch
            if self._desk.stopped():
                return None
            self._desk.sleep(self._poll_s)

    def _results(self, batch: Any) -> dict[str, Any]:
        """Lines of a batch's output and errors by attempt."""
        found: dict[str, Any] = {}
        for file_id in (batch.output_file_id, batch.error_file_id):
            if file_id:
                text = self._desk.client.tried(lambda api, name=file_id: api.files.content(name).text)  # type: ignore[misc]
                for line in text.splitlines():
                    with suppress(ValueError, TypeError, KeyError):
                        result = json.loads(line)
                        found[str(result["custom_id"])] = result
        return found

    def _ending(self, result: Any, name: str) -> Ending:
        """How an attempt ended, by its line; without one it was not answered, which is not billed."""
        response = result.get("response") if isinstance(result, dict) else None
        if not isinstance(response, dict):
            return Ending("failed", billed=False)
        status, body = response.get("status_code"), response.get("body")
        if status == 200:
            reply = reply_in(json.loads(json.dumps(body), object_hook=lambda item: SimpleNamespace(**item)))
            return Ending(OUTCOMES[reply.finish], True, reply)
        said = json.dumps(body).casefold()
        if names_content_filter(said):
            return Ending("filtered", False, Reply("", "filter", {"calls": 1}))
        if status == 429:
            return Ending("limited", billed=False)
        if (setting := setting_in(status, said, OPTIONAL)) is not None:
            self._desk.client.drop(setting)
        elif isinstance(status, int) and 400 <= status < 500:
            error = body.get("error") if isinstance(body, dict) else None
            words = str(error.get("message") if isinstance(error, dict) else error or "no reason")
            self._rejected[name] = rejection(self._desk.endpoint, status, words)
        return Ending("rejected", billed=False)
