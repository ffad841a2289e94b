"""Imports run one way through the rooms of `fac_core`, and nothing in it knows Streamlit."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = [
    "errors",
    "content",
    "human",
    "home",
    "tasks",
    "store",
    "workspace",
    "jobs",
    "llm",
    "samples",
    "feature_space",
    "features",
    "coverage",
    "synthesis",
    "review",
    "evaluation",
    "demo",
    "cli",
]
FILES = sorted((ROOT / "fac_core").rglob("*.py"))
PAGES = sorted([*(ROOT / "pages").rglob("*.py"), ROOT / "app.py"])
HEAVY = {"torch", "transformers", "sae_lens", "umap", "openai", "duckdb", "streamlit", "sklearn"}


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "fac_core" and len(parts) > 1 and parts[1] != "__version__" else None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_lies_before_it(path: Path) -> None:
    relative = path.relative_to(ROOT / "fac_core")
    own = relative.parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for module in imported(path):
        room = room_of(module)
        if room is not None:
            assert ROOMS.index(room) <= ROOMS.index(own), f"{relative} imports {module}"
        assert not module.startswith(("streamlit", "pages")), f"{relative} imports {module}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_holds_no_sql_and_no_model(path: Path) -> None:
    tops = {module.split(".")[0] for module in imported(path)}
    assert not tops & (HEAVY - {"streamlit"})
    assert not any(module.startswith("fac_core.store") for module in imported(path))
    assert "unsafe_allow_html" not in path.read_text(encoding="utf-8")


def test_importing_the_core_loads_no_heavy_library() -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in FILES
        if "store" not in path.parts and path.name != "worker.py"
    ]
    code = (
        f"import sys, importlib\nfor name in {modules!r}: importlib.import_module(name)\n"
        f"print(sorted(set(sys.modules) & {HEAVY - {'duckdb'}!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
