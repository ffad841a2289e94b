"""A failed call is retried, mended or given up for a stated reason; the sentence never holds a key.

Retried: no connection, time-outs, 408, 409, 425, 429 and 5xx, after the time the server names or a growing pause.
Mended: a 400 or 422 that names an optional setting. Everything else is given up at once.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Container
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from fac_core.human import shown_line
from fac_core.llm.endpoint import NO_KEY, Endpoint

LONGEST_WAIT_S = 60.0


class NoCompletion(Exception):
    """A body with a good status that is no completion; the text says what it is."""


_RETRIED = {408, 409, 425, 429}
_NEVER_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout"}
"""Of the transport below the client library, which is one of several: nothing has left this machine."""
OPTIONAL = ("response_format", "max_tokens", "temperature", "seed")


def dropped_setting(error: Exception, sent: set[str]) -> str | None:
    """The optional setting that a rejection is about, if it was sent; unnamed, structured output is suspected."""
    return setting_in(getattr(error, "status_code", None), _message(error), sent)


def setting_in(status: int | None, said: str, sent: Container[str]) -> str | None:
    """The same of the status and the words of a rejection, in lower case."""
    if status not in {400, 404, 422}:
        return None
    for name in OPTIONAL:
        if name in sent and re.search(rf"\b{name}\b", said):
            return name
    if re.search(r"json_schema|structured output|guided|grammar", said) and "response_format" in sent:
        return "response_format"
    unnamed = status == 422 or not said
    return "response_format" if unnamed and "response_format" in sent else None


def retry_wait(error: Exception, failures: int) -> float | None:
    """Seconds to wait before the next attempt; None if there should be none."""
    status = getattr(error, "status_code", None)
    growing = min(LONGEST_WAIT_S, 0.5 * 2.0 ** (failures - 1))
    if status is None:
        return growing if _is_transient(error) else None
    if status not in _RETRIED and status < 500:
        return None
    if _is_quota(error):
        return None
    told = _retry_after(error)
    if told is None:
        return growing
    return told if told <= LONGEST_WAIT_S else None


def is_limit(error: Exception) -> bool:
    """Whether the service says that it is asked too much at present."""
    status = getattr(error, "status_code", None)
    return (status == 429 and not _is_quota(error)) or (status == 503 and _retry_after(error) is not None)


def is_hopeless(error: Exception, wait: float | None) -> bool:
    """Whether an error that is not waited out, or not any more, would meet every other question too."""
    status = getattr(error, "status_code", None)
    if status in {401, 403, 404, 429} or isinstance(error, NoCompletion):
        return True
    return (wait is None and (status or 0) >= 500) or _about_key(error) or _about_model(error)


def is_rejection(error: Exception) -> bool:
    """Whether the service says of a question that it does not take it: asked once more it would say so again."""
    status = getattr(error, "status_code", None)
    return status is not None and 400 <= status < 500 and status not in _RETRIED


def timed_out(error: Exception) -> bool:
    """Whether the service took too long to answer; one that answers in turn lets those that wait grow old."""
    import openai

    return isinstance(error, openai.APITimeoutError) or getattr(error, "status_code", None) in {408, 504}


def outcome_of(error: Exception) -> str:
    """What became of an attempt that brought no reply: limited, rejected, filtered, timed out or failed."""
    import openai

    status = getattr(error, "status_code", None)
    if is_content_filter(error):
        return "filtered"
    if status == 429:
        return "limited"
    if status is not None:
        return "rejected" if status < 500 else "failed"
    return "timed out" if isinstance(error, openai.APITimeoutError) else "failed"


def maybe_billed(error: Exception) -> bool:
    """Whether a failed attempt may have been billed: it reached the service, and no error came back that says no."""
    status = getattr(error, "status_code", None)
    if status is not None:
        return bool(status in {408, 504})
    return not isinstance(error, NoCompletion) and type(error.__cause__).__name__ not in _NEVER_SENT


def verdict(error: Exception, endpoint: Endpoint, failures: int) -> str:
    """One sentence: what the endpoint did and what to do."""
    import openai

    where = f"The endpoint {endpoint.base_url}"
    status = getattr(error, "status_code", None)
    again = f" ({failures} attempts)" if failures > 1 else ""
    if isinstance(error, NoCompletion):
        return f"The endpoint answers with {error}; check its address, which usually ends in /v1."
    if isinstance(error, openai.APITimeoutError):
        return f"{where} did not answer in time{again}; try again later or ask for fewer samples at once."
    if isinstance(error, openai.APIConnectionError):
        return f"{where} cannot be reached{again}; check the address and that the service runs, then resume."
    if (status in {401, 403} or _about_key(error)) and endpoint.withheld:
        return (
            f"{where} wants a key, and yours was not sent, since nobody entered this address on this machine; if you "
            "trust it, keep it in the settings or pass it with --base-url, then resume."
        )
    if status in {401, 403} or _about_key(error):
        return f"{where} does not accept the key; set the right one in the settings or in FAC_LLM_API_KEY, then resume."
    if status == 404 or _about_model(error):
        return f"{where} knows no model {endpoint.model!r} at this address; check address and model in the settings."
    if status == 429 and _is_quota(error):
        return f"{where} says that the account's quota is used up; top it up or choose another endpoint, then resume."
    if status == 429:
        return f"{where} limits the rate of calls{again}; wait a while, then resume."
    if status is not None and status >= 500:
        return f"{where} fails with error {status}{again}; try again later, then resume."
    if status is not None:
        return rejection(endpoint, status, _words(error))
    return f"{where} answers something that is not JSON{again}; check its address, which usually ends in /v1."


def rejection(endpoint: Endpoint, status: int, words: str) -> str:
    """One sentence about a question that the service does not take, with its own words: on one line, short, without the
    key and without a control that would take effect where it is shown.
    """
    line = shown_line(words)
    if endpoint.key != NO_KEY:
        line = line.replace(endpoint.key, "…")
    return f"The endpoint {endpoint.base_url} rejects the request with error {status}: {line[:160].rstrip('.')}."


def is_content_filter(error: Exception) -> bool:
    """Whether a rejection is about what the prompt says: a refusal, not a fault of the call."""
    return getattr(error, "status_code", None) == 400 and names_content_filter(_message(error))


def names_content_filter(said: str) -> bool:
    """Whether the words of a rejection, in lower case, are about what the prompt says."""
    return re.search(r"content_filter|content management policy|content_policy_violation", said) is not None


def _about_key(error: Exception) -> bool:
    """Whether a 400 or 422 is about the key: some services say so with no status of its own."""
    said = _message(error)
    about = (
        r"(?:invalid|incorrect|missing|no|bad)[ _]api[ _]?key"
        r"|api[ _]?key(?: is)? (?:not valid|invalid|missing|required)"
    )
    return getattr(error, "status_code", None) in {400, 422} and re.search(about, said) is not None


def _about_model(error: Exception) -> bool:
    """Whether a 400 or 422 is about the model's name."""
    said = _message(error)
    about = (
        r"model[_ ]not[_ ]found|(?:unknown|invalid|no such|unsupported)[ _]model\b"
        r"|model\b.{0,120}?(?:does not exist|doesn't exist|not found|is not available|is unknown|not a valid model)"
    )
    return getattr(error, "status_code", None) in {400, 422} and re.search(about, said) is not None


def _is_transient(error: Exception) -> bool:
    import openai

    return isinstance(error, openai.APIConnectionError | json.JSONDecodeError | openai.APIResponseValidationError)


def _is_quota(error: Exception) -> bool:
    return "insufficient_quota" in f"{getattr(error, 'code', '')} {_message(error)}"


def _retry_after(error: Exception) -> float | None:
    """Seconds a server asks to wait: ``Retry-After`` as a number or a date, or ``retry-after-ms``."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        return None
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        at = parsedate_to_datetime(headers.get("retry-after", ""))
    except (TypeError, ValueError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def _message(error: Exception) -> str:
    body: Any = getattr(error, "body", None)
    return f"{error} {json.dumps(body, default=str) if body is not None else ''}".casefold()


def _words(error: Exception) -> str:
    """The server's own."""
    body: Any = getattr(error, "body", None)
    said = body.get("message") if isinstance(body, dict) else None
    return str(said or error)
