"""What a person reads on a page under AppTest."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def said(at: AppTest) -> str:
    """All literal text and captions."""
    return " ".join(str(element.value) for element in [*at.text, *at.caption, *at.markdown])


def drawn(at: AppTest) -> str:
    """What the text widgets were given."""
    return " ".join(widget.proto.json for widget in at.get("bidi_component") if hasattr(widget.proto, "json"))
