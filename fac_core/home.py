"""What belongs to a person rather than to a project lies in one folder, and every room finds it the same way."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """Folder of a person's projects and tasks: ``$FAC_HOME``, else the user's data directory."""
    if named := os.environ.get("FAC_HOME"):
        return Path(named)
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "fac-explorer"
