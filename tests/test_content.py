"""A text's hash is over all of it: P22, templated texts differ in their middles only."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from fac_core.content import content_hash, normalise


@given(start=st.text(min_size=1), one=st.text(), other=st.text(), end=st.text(min_size=1))
def test_p22_texts_that_differ_only_in_the_middle_never_share_a_hash(
    start: str, one: str, other: str, end: str
) -> None:
    start, end = start * 200, end * 200
    assume(normalise(start + one + end) != normalise(start + other + end))
    assert content_hash(start + one + end) != content_hash(start + other + end)
