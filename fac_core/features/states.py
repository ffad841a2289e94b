"""Every feature of F(P) is in exactly one state, and a gap is called missing only where the seed could have shown it.

With anchor rate p and n seed samples, n·p firings are expected; below 3 their absence says little (rule of three,
method §9), so the feature is *undersampled*, not *missing*. Features firing on more than a tenth of the anchor, and
those of the chat template, are no concept a curator could be missing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fac_core.features.counts import Counts, Mask

COVERED, MISSING, UNDERSAMPLED, DENSE, TEMPLATE = "covered", "missing", "undersampled", "dense", "template"
STATES = (COVERED, MISSING, UNDERSAMPLED, DENSE, TEMPLATE)
"""States of the features of F(P)."""
UNRELATED, SILENT, DEAD = "unrelated", "silent", "dead"
OTHER_STATES = (UNRELATED, SILENT, DEAD)
"""Outside F(P): fires in the anchor but is not relevant; fires, but not in the anchor; never fires."""
DENSE_SHARE = 0.1
MIN_EXPECTED = 3.0


def has_power(expected: NDArray[np.float64]) -> Mask:
    """Where enough firings were to be expected for their absence to say something; any shape."""
    # a rate given in whole samples: keep 3 expected exactly on the powered side
    return np.asarray(expected >= MIN_EXPECTED - 1e-9)


def is_dense(rate: NDArray[np.float64]) -> Mask:
    """Where a feature fires on too much of the anchor to be a concept; any shape."""
    return np.asarray(rate > DENSE_SHARE)


def classify(counts: Counts, relevant: Mask, template: Mask) -> NDArray[np.str_]:
    """State of every feature, [d_sae] of names from STATES and OTHER_STATES, for the seed with all that was added."""
    in_anchor = counts.anchor > 0
    absent = [
        (~counts.alive, DEAD),
        (~in_anchor, SILENT),
        (~relevant, UNRELATED),
        (counts.current > 0, COVERED),
        (template, TEMPLATE),
        (is_dense(counts.anchor_rate), DENSE),
        (~has_power(counts.expected_in_seed), UNDERSAMPLED),
    ]
    return np.select([mask for mask, _ in absent], [name for _, name in absent], default=MISSING)
