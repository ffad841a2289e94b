"""An SAE that reads the wrong tensor is found out: what it measures here is held against what its card declares.

A wrong layer, a wrong model, a missing normalisation or a text unlike anything it was trained on show in two numbers:
L0 (features a token) and FVU (fraction of variance unexplained).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from fac_core.store.jobs import completed_results
from fac_core.workspace import Workspace

GOOD, SUSPECT, UNSURE = "good", "suspect", "unsure"
MIN_TOKENS = 500
"""Content tokens below which nothing is said: FVU of a few short texts scatters too much."""
L0_FACTOR = 2.0
FVU_FACTOR, FVU_MARGIN = 1.5, 0.1


@dataclass(frozen=True)
class HealthCard:
    """How an SAE did on the project's texts, beside what it should do."""

    state: str
    """good, suspect or unsure"""
    fvu: float
    l0: float
    declared_fvu: float | None
    declared_l0: float | None
    """None where the card declares no value."""
    n_tokens: int
    """Content tokens it was measured on."""
    sentence: str


def health_card(card: dict[str, Any], measured: dict[str, Any]) -> HealthCard:
    """Judge a reading: `measured` has fvu, l0 and n_tokens, `card` the declared fvu and l0 (None if unknown).

    Unsure below `MIN_TOKENS` or when nothing is declared. Suspect when L0 is off by more than twice, or FVU exceeds
    both 1.5 times the declared value and that plus 0.1.
    """
    fvu, l0 = _number(measured.get("fvu")), _number(measured.get("l0"))
    declared_fvu, declared_l0 = _declared(card, "fvu"), _declared(card, "l0")
    said = f"L0 is {l0:.1f} ({_in_words(declared_l0, 1)}), FVU {fvu:.2f} ({_in_words(declared_fvu, 2)})"
    found = problems(card, fvu, l0)
    n_tokens = int(measured.get("n_tokens") or 0)
    if n_tokens < MIN_TOKENS:
        state = UNSURE
        sentence = f"Too few tokens were read to judge the SAE on these texts: {said}."
    elif found:
        state = SUSPECT
        sentence = f"The SAE may not fit this model, layer or kind of text: {' and '.join(found)}. {said}."
    elif declared_fvu is None and declared_l0 is None:
        state = UNSURE
        sentence = f"The SAE came without declared values, so nothing says whether it reads as it should: {said}."
    else:
        state = GOOD
        sentence = f"The SAE reads these texts as well as its card says: {said}."
    return HealthCard(state, fvu, l0, declared_fvu, declared_l0, n_tokens, sentence)


def problems(card: dict[str, Any], fvu: float, l0: float) -> list[str]:
    """What is out of the range that a card declares, in words; empty if all is as it should be, or nothing declared."""
    declared_fvu, declared_l0 = _declared(card, "fvu"), _declared(card, "l0")
    found = []
    if declared_l0 is not None and not declared_l0 / L0_FACTOR <= l0 <= declared_l0 * L0_FACTOR:
        found.append("it activates a very different number of features than it was trained to")
    if declared_fvu is not None and not fvu <= max(FVU_FACTOR * declared_fvu, declared_fvu + FVU_MARGIN):
        found.append("it explains these texts much worse than its own")
    return found


def measured_health(ws: Workspace, space_id: str) -> dict[str, Any] | None:
    """Token-weighted FVU and L0 over everything the project read in a space, each text as it was read last; None if it
    has read nothing itself."""
    results: list[dict[str, Any]] = []
    for spec, result in completed_results(ws.database, "extract"):
        if spec["space_id"] == space_id:
            # a reading again covers every text that was read before it
            results = [result["health"]] if spec.get("again") else [*results, result["health"]]
    results = [health for health in results if health["n_tokens"] and health["fvu"] is not None]
    total = sum(health["n_tokens"] for health in results)
    if not total:
        return None
    return {
        **{key: sum(health[key] * health["n_tokens"] for health in results) / total for key in ("fvu", "l0")},
        "n_tokens": total,
        "truncated_texts": sum(health["truncated_texts"] for health in results),
    }


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _declared(card: dict[str, Any], key: str) -> float | None:
    value = card.get(key)
    return None if value is None else float(value)


def _in_words(declared: float | None, digits: int) -> str:
    return "no declared value" if declared is None else f"declared {declared:.{digits}f}"
