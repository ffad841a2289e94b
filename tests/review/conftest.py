"""Fixtures of the review tests."""

from tests.review.making import reviewed_ws, space_id, table  # noqa: F401
