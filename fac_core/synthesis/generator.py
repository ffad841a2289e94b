"""Every request gets exactly one response, in order, whichever generator answers; what came back is never guessed here.

A generator only writes text. Whether the text is a sample, and which features fire in it, is decided elsewhere by code
that does not know which generator wrote it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Finish = Literal["stop", "length", "refusal", "error"]
Style = Literal["continuation", "chat"]


@dataclass(frozen=True)
class Prompt:
    """What a generator is given; the parts that its style does not use are empty."""

    heading: str = ""
    """Heads the list of items that a model continues."""
    items: tuple[str, ...] = ()
    """Texts that activate the feature, as the task's items; the model writes the next one."""
    item_template: str = "{text}"
    """The task's item, by which a generator knows that one has ended."""
    system: str = ""
    user: str = ""
    schema: dict[str, Any] = field(default_factory=dict)
    """JSON schema of a chat reply."""

    def as_text(self) -> str:
        """The prompt as it is kept with a candidate."""
        return f"{self.system}\n\n{self.user}" if self.user else "\n\n".join([self.heading, *self.items])


@dataclass(frozen=True)
class Steering:
    """Push the residual stream along a feature's decoder direction while writing."""

    feature_id: int
    amount: float
    """In units of the feature's activation; zero leaves the model as it is."""


@dataclass(frozen=True)
class Request:
    """One reply asked for."""

    prompt: Prompt
    n_items: int
    """Samples wanted in the reply; a continuation is always one."""
    max_tokens: int
    temperature: float
    seed: int
    steering: Steering | None = None
    favoured: str = ""
    """A word that the feature peaks on somewhere; a sampling generator may make it likelier until it is written."""
    likely_tokens: int | None = None
    """Tokens that an endpoint's reply is likely to have; None where texts are continued."""


@dataclass(frozen=True)
class Response:
    """What came back."""

    text: str
    finish: Finish
    usage: dict[str, Any] = field(default_factory=dict)
    """Tokens in and out, calls made, model: whatever the generator knows; kept as provenance."""


class Generator(Protocol):
    """A source of texts."""

    style: Style

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        """One response for each request, in their order.

        Raises:
            EndpointError: nothing can be had from the endpoint at present.
        """
