"""One layer of retries, ours: a call is repeated only if it can succeed, waits as told, and ends in a clear sentence.

What the service answers is untrusted: a web page, an empty list of choices or a broken body is a reply that holds
nothing, not an exception of a library. Servers that reject an optional setting are asked again without it, once.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from fac_core.errors import EndpointError
from fac_core.llm.endpoint import NO_KEY, Endpoint
from fac_core.llm.failures import dropped_setting, is_content_filter, retry_wait, verdict

if TYPE_CHECKING:
    from openai import OpenAI

ATTEMPTS = 5
TIMEOUT_S = 120.0
CONNECT_S = 10.0
Finish = Literal["stop", "length", "refusal", "error"]
_FINISH: dict[str, Finish] = {"stop": "stop", "length": "length", "content_filter": "refusal"}


@dataclass(frozen=True)
class Reply:
    """One answer of the service."""

    text: str
    finish: Finish
    usage: dict[str, Any] = field(default_factory=dict)
    """``calls`` made for it (each may have been billed), tokens where told, ``problem`` if it holds nothing."""


class ChatClient:
    """Asks one endpoint; safe to share between threads."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        attempts: int = ATTEMPTS,
        timeout_s: float = TIMEOUT_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.endpoint = endpoint
        self._attempts = attempts
        self._timeout_s = timeout_s
        self._sleep = sleep
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
    ) -> Reply:
        """The model's answer to one question.

        `schema` asks for structured output; a server may ignore it, so the answer has to be parsed with tolerance.

        Raises:
            EndpointError: the service is down, refuses the key or model, or keeps failing.
        """
        wanted = {
            "response_format": None if schema is None else _format(schema),
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": seed,
        }
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        calls = failures = 0
        while True:
            calls += 1
            settings = self._settings(wanted)  # of this call: others may drop a setting while it is under way
            try:
                return _read(self._call(messages, settings), calls)
            except _errors() as error:
                if is_content_filter(error):
                    return Reply("", "refusal", {"calls": calls})
                setting = dropped_setting(error, set(settings))
                if setting is not None:
                    self._dropped.add(setting)
                    continue
                failures += 1
                wait = retry_wait(error, failures)
                if wait is None or failures >= self._attempts:
                    raise EndpointError(verdict(error, self.endpoint, failures)) from None
                self._sleep(wait + random.uniform(0, 0.25))

    def _call(self, messages: Any, settings: dict[str, Any]) -> Any:
        return self._openai().chat.completions.create(model=self.endpoint.model, messages=messages, **settings)

    def _settings(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """What is sent of what is wanted, as far as is known of this server."""
        dropped = frozenset(self._dropped)
        settings = {name: value for name, value in wanted.items() if value is not None and name not in dropped}
        if "max_tokens" in dropped:
            settings["max_completion_tokens"] = wanted["max_tokens"]
        return settings

    def _openai(self) -> OpenAI:
        with self._lock:
            if self._client is None:
                from openai import OpenAI, Timeout

                self._client = OpenAI(
                    base_url=self.endpoint.base_url,
                    api_key=self.endpoint.key or NO_KEY,
                    max_retries=0,
                    timeout=Timeout(self._timeout_s, connect=min(CONNECT_S, self._timeout_s)),
                )
            return self._client


def _read(completion: Any, calls: int) -> Reply:
    """What a completion holds, whatever it is."""
    usage: dict[str, Any] = {"calls": calls}
    if isinstance(completion, str) or completion is None:
        page = str(completion or "").lstrip()[:1] == "<"
        raise EndpointError(
            f"The endpoint answers with {'a web page' if page else 'something other than JSON'}; "
            "check its address, which usually ends in /v1."
        )
    counted = getattr(completion, "usage", None)
    for ours, theirs in (("tokens_in", "prompt_tokens"), ("tokens_out", "completion_tokens")):
        if isinstance(number := getattr(counted, theirs, None), int):
            usage[ours] = number
    choices = getattr(completion, "choices", None)
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = getattr(choice, "message", None)
    if message is None:
        return Reply("", "error", {**usage, "problem": "the reply holds no choices"})
    refusal = getattr(message, "refusal", None)
    if isinstance(refusal, str) and refusal:
        return Reply(refusal, "refusal", usage)
    text = getattr(message, "content", None)
    finish = _FINISH.get(str(getattr(choice, "finish_reason", "stop") or "stop"), "stop")
    if not isinstance(text, str) or not text.strip():
        problem = {} if finish != "stop" else {"problem": "the reply is empty"}
        return Reply("", "error" if finish == "stop" else finish, {**usage, **problem})
    return Reply(text, finish, usage)


def _format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "samples", "strict": True, "schema": schema}}


def _errors() -> tuple[type[Exception], ...]:
    """What the library raises for a call that failed, a broken JSON body included."""
    import openai

    return (openai.OpenAIError, json.JSONDecodeError, UnicodeDecodeError)
