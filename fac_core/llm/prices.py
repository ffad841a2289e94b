"""A price that nobody entered is unknown, never zero; a cap in money needs one.

Prices change and differ between accounts, so none is built in: a person enters what a million tokens cost, and each
call keeps what it cost then.
"""

from __future__ import annotations

import json
import math
from typing import NamedTuple

from fac_core.errors import InputError
from fac_core.workspace import Workspace

PRICES_SETTING = "llm.prices"


class Price(NamedTuple):
    """What a model costs, in the currency in which it was entered."""

    per_million_in: float
    per_million_out: float

    def of(self, tokens_in: float, tokens_out: float) -> float:
        """What so many tokens cost."""
        return (tokens_in * self.per_million_in + tokens_out * self.per_million_out) / 1e6


class Cap(NamedTuple):
    """The most that one job may spend; None is no limit."""

    money: float | None = None
    tokens: int | None = None
    """In and out together."""
    calls: int | None = None
    """That may have been billed."""

    def check(self, price: Price | None) -> None:
        """Refuse a cap that cannot be kept.

        Raises:
            InputError: a limit is not positive, or one in money has no price.
        """
        for value in self:
            if value is not None and not (math.isfinite(value) and value > 0):
                raise InputError("A cap must be more than 0; leave it out for no limit.")
        if self.money is not None and price is None:
            raise InputError(
                "A cap in money needs the price of the model; enter it in the settings, or cap tokens or calls instead."
            )


NO_CAP = Cap()


def prices(ws: Workspace) -> dict[str, Price]:
    """Prices that were entered, by model."""
    return {model: Price(*pair) for model, pair in json.loads(ws.setting(PRICES_SETTING, "{}")).items()}


def price_of(ws: Workspace, model: str) -> Price | None:
    """Price of a model, if one was entered."""
    return prices(ws).get(model)


def set_price(ws: Workspace, model: str, price: Price | None) -> None:
    """Keep the price of a model, or forget it.

    Raises:
        InputError: no model is named, or a price is no amount.
    """
    if not model.strip():
        raise InputError("Name the model whose price this is.")
    if price is not None and not all(math.isfinite(amount) and amount >= 0 for amount in price):
        raise InputError("A price is an amount for a million tokens, such as 0.15; it cannot be below 0.")
    known: dict[str, Price | None] = {**prices(ws), model.strip(): price}
    kept = {name: list(each) for name, each in sorted(known.items()) if each is not None}
    ws.set_setting(PRICES_SETTING, json.dumps(kept))
