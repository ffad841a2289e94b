"""A feature's explanations stand with their scores, findings and misjudged documents, and what others wrote is text."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from fac_core.feature_space.spaces import spaces
from fac_core.features import encoder
from fac_core.features.naming import rename
from fac_core.features.trust import least_trust
from fac_core.workspace import Workspace
from tests.app.conftest import App
from tests.app.reading import written
from tests.features.test_scoring import ABOUT_FRUIT, corpus
from tests.planted import plant


def draw() -> None:
    """The view alone, as a feature's page holds it."""
    import streamlit as st

    from pages.ui import explanations_view, services

    services.follow("project")
    at = services.here()
    explanations_view.show(at, int(st.query_params["feature"]))
    explanations_view.least(at)
    explanations_view.score_all(at)
