"""One layer of retries, ours: a call is repeated only if it can succeed, waits as told, and ends in a clear sentence.

What the service answers is untrusted: a web page, an empty list of choices or a broken body is a reply that holds
nothing, not an exception of a library. Servers that reject an optional setting are asked again without it, once. Each
attempt is told to a `Meter` before it begins and when it has ended, since each may be billed.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeVar

from fac_core.errors import EndpointError
from fac_core.llm.asking import Outcome
from fac_core.llm.endpoint import NO_KEY, Endpoint
from fac_core.llm.failures import (
    NoCompletion,
    dropped_setting,
    is_content_filter,
    is_hopeless,
    is_limit,
    is_rejection,
    maybe_billed,
    outcome_of,
    retry_wait,
    timed_out,
    verdict,
)
from fac_core.llm.pace import Pace
from fac_core.llm.quoting import whole

if TYPE_CHECKING:
    from openai import OpenAI

T = TypeVar("T")
ATTEMPTS = 5
"""That fail before a question is given up."""
LIMITED = 30
"""Times that one question is told to wait before it is given up: others are answered meanwhile."""
TIMEOUT_S = 120.0
CONNECT_S = 10.0
MOST_TOKENS = 10**9
"""Of one call; a service that counts more, or none that went in, has not said what it billed."""
Finish = Literal["stop", "length", "refusal", "filter", "error"]
_FINISH: dict[str, Finish] = {"stop": "stop", "length": "length", "content_filter": "filter"}
OUTCOMES: dict[Finish, Outcome] = {
    "stop": "answered",
    "length": "cut off",
    "refusal": "refused",
    "filter": "filtered",
    "error": "unreadable",
}
"""What became of an attempt that brought a reply, before anybody has read it."""


class CallFailed(EndpointError):
    """One question was not answered after all attempts; another may be."""


class CallRejected(CallFailed):
    """The service does not take one question as it is, and would not the next time; it may take others."""


@dataclass(frozen=True)
class Reply:
    """One answer of the service."""

    text: str
    finish: Finish
    usage: dict[str, Any] = field(default_factory=dict)
    """``calls`` made for it (each may have been billed), tokens where told, ``problem`` if it holds nothing."""


class Ending(NamedTuple):
    """How an attempt ended."""

    outcome: str
    billed: bool
    """Whether it may have been billed."""
    reply: Reply | None = None


class Meter(Protocol):
    """What is told of every attempt at one question."""

    def begin(self) -> None:
        """An attempt is about to begin; whatever this raises keeps it from beginning."""

    def end(self, ending: Ending) -> None:
        """It has ended."""


class ChatClient:
    """Asks one endpoint; safe to share between threads."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        attempts: int = ATTEMPTS,
        timeout_s: float = TIMEOUT_S,
        sleep: Callable[[float], None] = time.sleep,
        pace: Pace | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._attempts = attempts
        self._timeout_s = timeout_s
        self._sleep = sleep
        self._pace = pace or Pace(sleep=sleep)
        self._lock = threading.Lock()
        self._client: OpenAI | None = None
        self._dropped: set[str] = set()
        """Optional settings this server does not take."""

    def ask(
        self,
        system: str,
        user: str,
        *,
        max_tokens: int,
        temperature: float,
        seed: int | None = None,
        schema: dict[str, Any] | None = None,
        meter: Meter | None = None,
    ) -> Reply:
        """The model's answer to one question.

        `schema` asks for structured output; a server may ignore it, so the answer has to be parsed with tolerance.

        Raises:
            CallRejected: the service does not take this question.
            CallFailed: this question fails in all attempts.
            EndpointError: the service is down, refuses the key or model, or limits calls for longer than is waited.
        """
        wanted = chat_settings(max_tokens=max_tokens, temperature=temperature, seed=seed, schema=schema)
        calls = failures = limits = 0
        while True:
            calls += 1
            settings = self.sent_of(wanted)  # of this call: others may drop a setting while it is under way
            with self._pace.turn() as began_in:
                if meter is not None:
                    meter.begin()
                try:
                    reply = _read(self._call(chat_messages(system, user), settings), calls)
                except _errors() as error:
                    failed: Exception = error
                    blocked = Reply("", "filter", {"calls": calls}) if is_content_filter(error) else None
                    if meter is not None:
                        meter.end(Ending(outcome_of(error), maybe_billed(error), blocked))
                    if blocked is not None:
                        return blocked
                else:
                    self._pace.went_well()
                    if meter is not None:
                        meter.end(Ending(OUTCOMES[reply.finish], True, reply))
                    return reply
            if (setting := dropped_setting(failed, set(settings))) is not None:
                self.drop(setting)
                continue
            limited = is_limit(failed)
            limits, failures = limits + limited, failures + (not limited)
            wait = retry_wait(failed, limits if limited else failures)
            if wait is None or failures >= self._attempts or limits >= LIMITED:
                sentence = verdict(failed, self.endpoint, limits + failures)
                if is_hopeless(failed, wait):
                    raise EndpointError(sentence)
                raise (CallRejected if is_rejection(failed) else CallFailed)(sentence)
            if timed_out(failed):
                self._pace.limited(began_in, 0.0)
            if limited:
                self._pace.limited(began_in, wait)  # and waited out by whoever is next, this call among them
            else:
                self._sleep(wait + random.uniform(0, 0.25))

    def tried(self, call: Callable[[OpenAI], T], attempts: int | None = None) -> T:
        """What a call of the library's client gives that costs nothing and may be repeated, by the same rules.

        Raises:
            EndpointError: it fails in all attempts, or cannot succeed.
        """
        failures = 0
        while True:
            try:
                return call(self.library())
            except _errors() as error:
                failures += 1
                wait = retry_wait(error, failures)
                if wait is None or failures >= (attempts or self._attempts):
                    raise EndpointError(verdict(error, self.endpoint, failures)) from None
                self._sleep(wait + random.uniform(0, 0.25))

    def _call(self, messages: Any, settings: dict[str, Any]) -> Any:
        return self.library().chat.completions.create(model=self.endpoint.model, messages=messages, **settings)

    def drop(self, setting: str) -> None:
        """Note that the server does not take an optional setting."""
        self._dropped.add(setting)

    def sent_of(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """What is sent of what is wanted, as far as is known of this server."""
        dropped = frozenset(self._dropped)
        settings = {name: value for name, value in wanted.items() if value is not None and name not in dropped}
        if "max_tokens" in dropped:
            settings["max_completion_tokens"] = wanted["max_tokens"]
        return settings

    def library(self) -> OpenAI:
        """The library's client."""
        with self._lock:
            if self._client is None:
                self._client = open_client(self.endpoint, self._timeout_s)
            return self._client


def open_client(endpoint: Endpoint, timeout_s: float = TIMEOUT_S) -> OpenAI:
    """The library's client for an endpoint, without retries of its own."""
    from openai import OpenAI, Timeout

    return OpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.key or NO_KEY,
        max_retries=0,
        timeout=Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
    )


def chat_messages(system: str, user: str) -> Any:
    """The two messages of a question; halves of characters, which cannot be sent, become question marks."""
    said = {"system": system, "user": user}
    return [{"role": role, "content": whole(text)} for role, text in said.items()]


def chat_settings(
    *, max_tokens: int, temperature: float, seed: int | None, schema: dict[str, Any] | None
) -> dict[str, Any]:
    """What a call says beside its messages, by the names of the service; None where it says nothing."""
    return {
        "response_format": None if schema is None else _format(schema),
        "max_tokens": max_tokens,
        "temperature": temperature,
        "seed": seed,
    }


def _read(completion: Any, calls: int) -> Reply:
    """What a completion holds, whatever it is."""
    if isinstance(completion, str) or completion is None:
        raise NoCompletion("a web page" if str(completion or "").lstrip()[:1] == "<" else "something other than JSON")
    return reply_in(completion, calls)


def reply_in(completion: Any, calls: int = 1) -> Reply:
    """What a completion of the service's library holds, whatever it is."""
    usage: dict[str, Any] = {"calls": calls}
    counted = getattr(completion, "usage", None)
    for ours, theirs, least in (("tokens_in", "prompt_tokens", 1), ("tokens_out", "completion_tokens", 0)):
        if isinstance(number := getattr(counted, theirs, None), int) and least <= number <= MOST_TOKENS:
            usage[ours] = number
    choices = getattr(completion, "choices", None)
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = getattr(choice, "message", None)
    if message is None:
        return Reply("", "error", {**usage, "problem": "the reply holds no choices"})
    refusal = getattr(message, "refusal", None)
    if isinstance(refusal, str) and refusal:
        return Reply(whole(refusal), "refusal", usage)
    text = getattr(message, "content", None)
    finish = _FINISH.get(str(getattr(choice, "finish_reason", "stop") or "stop"), "stop")
    if not isinstance(text, str) or not text.strip():
        problem = {} if finish != "stop" else {"problem": "the reply is empty"}
        return Reply("", "error" if finish == "stop" else finish, {**usage, **problem})
    return Reply(whole(text), finish, usage)


def _format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def _errors() -> tuple[type[Exception], ...]:
    """What the library raises for a call that failed, a broken JSON body included."""
    import openai

    return (openai.OpenAIError, json.JSONDecodeError, UnicodeDecodeError, NoCompletion)
