"""An SAE that reads the wrong tensor is found out: what it measures here is held against what its card declares.

A wrong layer, a wrong model, a missing normalisation or a text unlike anything it was trained on show in two numbers:
L0 (features a token) and FVU (fraction of variance unexplained). A space that does not fit is marked wherever it is
used until a person accepts it and says why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fac_core.feature_space.calibration import Calibration
from fac_core.feature_space.spaces import space
from fac_core.human import one_line
from fac_core.store.coverage import count_firing
from fac_core.store.jobs import completed_results
from fac_core.workspace import Workspace

GOOD, SUSPECT, UNSURE = "good", "suspect", "unsure"
MIN_TOKENS = 500
"""Content tokens below which nothing is said: FVU of a few short texts scatters too much."""
L0_FACTOR = 2.0
FVU_FACTOR, FVU_MARGIN = 1.5, 0.1
_ACCEPTED = "health_accepted."


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


def health_card(card: Mapping[str, Any], measured: Mapping[str, Any]) -> HealthCard:
    """Judge a reading: `measured` has fvu, l0 and n_tokens, `card` the declared fvu and l0 (None if unknown).

    Unsure below `MIN_TOKENS` or when nothing is declared. Suspect when L0 is off by more than twice, or FVU exceeds
    both 1.5 times the declared value and that plus 0.1, or another way of reading suits the SAE better
    (`measured["suspects"]`, see `suspects`), which the sentence then names.
    """
    fvu, l0 = _number(measured.get("fvu")), _number(measured.get("l0"))
    declared_fvu, declared_l0 = _declared(card, "fvu"), _declared(card, "l0")
    said = f"L0 is {l0:.1f} ({_in_words(declared_l0, 1)}), FVU {fvu:.2f} ({_in_words(declared_fvu, 2)})"
    found = problems(card, fvu, l0)
    better = next(iter(measured.get("suspects") or ()), None)
    if better and not found:
        found = ["it does better elsewhere"]
    n_tokens = int(measured.get("n_tokens") or 0)
    if n_tokens < MIN_TOKENS:
        state = UNSURE
        sentence = f"Too few tokens were read to judge the SAE on these texts: {said}."
    elif found:
        state = SUSPECT
        sentence = f"The SAE may not fit this model, layer or kind of text: {' and '.join(found)}. {said}."
        if better:
            sentence += f" It does better {better['what']}: L0 {better['l0']:.1f}, FVU {better['fvu']:.2f}."
    elif declared_fvu is None and declared_l0 is None:
        state = UNSURE
        sentence = f"The SAE came without declared values, so nothing says whether it reads as it should: {said}."
    else:
        state = GOOD
        sentence = f"The SAE reads these texts as well as its card says: {said}."
    return HealthCard(state, fvu, l0, declared_fvu, declared_l0, n_tokens, sentence)


def health(ws: Workspace, space_id: str) -> HealthCard | None:
    """How a space's SAE did on what the project read in it; None if it has read nothing itself.

    Raises:
        InputError: the project does not know the space.
    """
    measured = measured_health(ws, space_id)
    return None if measured is None else health_card(space(ws, space_id).card, measured)


def calibration(ws: Workspace, space_id: str) -> Calibration | None:
    """What the last reading found out beside L0 and FVU; None if there was none.

    Raises:
        InputError: the project does not know the space.
    """
    found = (measured_health(ws, space_id) or {}).get("calibration")
    return None if found is None else Calibration(**found)


def n_silent(ws: Workspace, space_id: str) -> int:
    """Features of a space that fired in no text of the project that was read in it.

    Raises:
        InputError: the project does not know the space.
    """
    return space(ws, space_id).d_sae - count_firing(ws.database, space_id)


def unfit(ws: Workspace, space_id: str) -> HealthCard | None:
    """The health card of a space that does not fit and that nobody has accepted, else None.

    Raises:
        InputError: the project does not know the space.
    """
    card = None if acceptance(ws, space_id) else health(ws, space_id)
    return card if card is not None and card.state == SUSPECT else None


def acceptance(ws: Workspace, space_id: str) -> str:
    """Why a space is used although it does not fit; empty if nobody has said so."""
    return ws.setting(_ACCEPTED + space_id)


def accept(ws: Workspace, space_id: str, reason: str) -> None:
    """Use a space although it does not fit; without a reason it is marked again.

    Raises:
        InputError: the project does not know the space, or the reason cannot be read.
    """
    space(ws, space_id)
    ws.set_setting(_ACCEPTED + space_id, one_line(reason, "The reason"))


def problems(card: Mapping[str, Any], fvu: float, l0: float) -> list[str]:
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
        "calibration": next((health["calibration"] for health in reversed(results) if health.get("calibration")), None),
        "suspects": next((health["suspects"] for health in reversed(results) if "suspects" in health), []),
    }


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _declared(card: Mapping[str, Any], key: str) -> float | None:
    value = card.get(key)
    return None if value is None else float(value)


def _in_words(declared: float | None, digits: int) -> str:
    return "no declared value" if declared is None else f"declared {declared:.{digits}f}"
