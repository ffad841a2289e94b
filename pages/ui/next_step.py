"""At any time there is exactly one next step, and it follows from what is counted, not from where the person was."""

from __future__ import annotations

from dataclasses import dataclass

from pages.ui.theme import plural


@dataclass(frozen=True)
class Waiting:
    """What is counted to find the next step."""

    has_seed: bool = True
    has_anchor: bool = True
    n_unread: int = 0
    """Texts not read in this space yet."""
    is_reading: bool = False
    n_pending: int = 0
    """Candidates that wait for review."""
    n_open: int = 0
    """Features on the work list that are still missing."""
    n_making: int = 0
    """Runs under way."""
    n_approved_unexported: int = 0
    n_clear: int = 0
    """Gaps not on the work list that stand out from chance."""
    n_gaps: int = 0


@dataclass(frozen=True)
class Next:
    """A button's label, the page it leads to, its icon, and why."""

    label: str
    page: str
    icon: str
    why: str


def next_step(now: Waiting) -> Next:
    """What to do next."""
    bring, find = "pages/seed_set.py", "pages/coverage.py"
    if not now.has_seed or not now.has_anchor:
        role = "seed set" if not now.has_seed else "anchor"
        return Next(
            f"Bring in the {role}", bring, ":material/upload_file:", "Coverage compares a seed set with an anchor."
        )
    if now.n_unread and not now.is_reading:
        return Next(
            f"Read {plural(now.n_unread, 'text')}",
            bring,
            ":material/play_arrow:",
            "Their activations are not extracted yet.",
        )
    if now.n_pending:
        return Next(
            f"Review {plural(now.n_pending, 'sample')}",
            "pages/review.py",
            ":material/rate_review:",
            "They hit their feature and wait for a decision.",
        )
    if now.n_open and not now.n_making:
        return Next(
            f"Find or make samples for {plural(now.n_open, 'feature')}",
            "pages/synthesis.py",
            ":material/science:",
            "They are on the work list and still missing.",
        )
    if now.n_clear or (now.n_gaps and not now.n_approved_unexported):
        why = f"They are missing at this threshold; {now.n_clear} of them beyond chance."
        return Next(f"Pick from {plural(now.n_gaps, 'gap')}", find, ":material/grid_on:", why)
    if now.n_approved_unexported:
        return Next(
            f"Export {plural(now.n_approved_unexported, 'approved sample')}",
            "pages/export.py",
            ":material/output:",
            "Approved since the last export.",
        )
    return Next(
        "Look at coverage", find, ":material/grid_on:", "No gap is open at this threshold; a higher δ asks for more."
    )
