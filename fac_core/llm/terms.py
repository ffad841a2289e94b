"""What a job that asks an endpoint may do is said in its spec: where, at what price, up to which cap; never with a key.

The owner makes the terms from the project's settings; the worker looks up the key and makes an `Asker` of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fac_core.llm.asking import Asker
from fac_core.llm.endpoint import Endpoint, confirm, endpoint_of, make_endpoint
from fac_core.llm.pace import AT_ONCE
from fac_core.llm.prices import NO_CAP, Cap, Price, price_of
from fac_core.llm.serving import answers_in_turn
from fac_core.workspace import Workspace

if TYPE_CHECKING:
    from fac_core.jobs.folder import JobFolder


@dataclass(frozen=True)
class Terms:
    """How a job asks."""

    base_url: str
    model: str
    price: Price | None = None
    """At the start of the job; None where it is not known."""
    cap: Cap = NO_CAP
    at_once: int = AT_ONCE
    batch: bool = False
    """Whether the endpoint's batch service is used: up to a day, at the endpoint's rebate."""
    anew: bool = False
    """Whether questions are asked anew whose replies to other jobs could not be read."""

    def as_spec(self) -> dict[str, Any]:
        """As JSON values, for a job's spec."""
        price = None if self.price is None else list(self.price)
        return {
            "base_url": self.base_url,
            "model": self.model,
            "price": price,
            "cap": list(self.cap),
            "at_once": self.at_once,
            "batch": self.batch,
            "anew": self.anew,
        }

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> Terms:
        """What `as_spec` wrote."""
        price = None if spec["price"] is None else Price(*spec["price"])
        return cls(**{**spec, "price": price, "cap": Cap(*spec["cap"])})

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint, with the key of this machine if it may go there.

        Raises:
            InputError: the address is no web address.
        """
        return make_endpoint(self.base_url, self.model)


def make_terms(
    ws: Workspace, *, base_url: str = "", model: str = "", cap: Cap | None = None, batch: bool = False
) -> Terms:
    """Terms of a new job: what is given, else the project's settings.

    Raises:
        InputError: no endpoint is set up, or the cap cannot be kept.
    """
    endpoint = endpoint_of(ws, base_url, model)
    if base_url:
        confirm(endpoint.base_url)
    price = price_of(ws, endpoint.model)
    cap = cap or NO_CAP
    cap.check(price)
    at_once = 1 if answers_in_turn(endpoint) else AT_ONCE
    return Terms(endpoint.base_url, endpoint.model, price, cap, at_once, batch=batch)


def make_asker(job: JobFolder, terms: Terms, cancelled: Callable[[], bool] | None = None) -> Asker:
    """Worker side: what asks for a job; replies that this or an earlier job of the project got are not paid again.

    Raises:
        InputError: the address or the key cannot be used.
        StoreError: the job's journal is damaged.
    """
    from fac_core.llm.asker import EndpointAsker
    from fac_core.llm.batches import BatchAsker
    from fac_core.llm.desk import open_desk

    desk = open_desk(job, terms, cancelled or job.cancelled)
    return BatchAsker(desk) if terms.batch else EndpointAsker(desk)
