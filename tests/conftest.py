"""Fixtures: a tiny model and SAE whose every number can be recomputed by hand, and projects with a few texts."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # before torch is imported anywhere
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["FAC_HOME"] = "/nonexistent"  # tests are collected without the tasks of the person running them
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("NUMBA_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from collections.abc import Iterator  # noqa: E402
from typing import Any  # noqa: E402

import pyarrow as pa  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from fac_core.feature_space.extraction import activation_tables  # noqa: E402
from fac_core.feature_space.extractor import Extractor, load_extractor  # noqa: E402
from fac_core.feature_space.space import SpaceSpec, read_card  # noqa: E402
from fac_core.feature_space.spaces import register_space  # noqa: E402
from fac_core.jobs import kinds, process, worker  # noqa: E402
from fac_core.store.activations import insert_activations, rebuild_by_feature, rebuild_profiles  # noqa: E402
from fac_core.store.database import bump_data_version  # noqa: E402
from fac_core.workspace import Workspace  # noqa: E402
from tests.built import Built, Step  # noqa: E402
from tests.review.making import add_run  # noqa: E402
from tests.tiny import LABELLED_TEXTS, add_dataset, make_tiny_backbone, make_tiny_sae, tiny_space  # noqa: E402

settings.register_profile("quick", max_examples=30, deadline=None)
settings.load_profile("quick")


def pytest_configure(config: pytest.Config) -> None:
    """Markers used by the suite."""
    config.addinivalue_line("markers", "slow: takes more than a few seconds; left out of the quick suite")
    config.addinivalue_line("markers", "real_model: needs the embedded model's wheel")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests of the real model where it is not installed."""
    from fac_core.errors import ModelError
    from fac_core.feature_space.embedded import gguf_path

    try:
        gguf_path()
    except ModelError as error:
        for item in items:
            if "real_model" in item.keywords:
                item.add_marker(pytest.mark.skip(reason=str(error)))


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> None:
    """Two threads on a busy machine are slower than one."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """No test sees or changes the projects of the person running it; the real model's cache is shared, being large."""
    monkeypatch.setenv("FAC_HOME", str(tmp_path / "home"))
    if "real_model" not in request.keywords:
        monkeypatch.setenv("FAC_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def tiny_backbone_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of 4 blocks, width 32, with a byte-level tokenizer and a chat template."""
    return make_tiny_backbone(tmp_path_factory.mktemp("backbone"))


@pytest.fixture(scope="session")
def tiny_sae_folder(tmp_path_factory: pytest.TempPathFactory, tiny_backbone_folder: Path) -> Path:
    """A Top-K SAE in SAELens format for block 2 of the tiny backbone: 64 features, k = 4, with a measured card."""
    return make_tiny_sae(tmp_path_factory.mktemp("sae"), tiny_backbone_folder)


@pytest.fixture(scope="session")
def tiny_spec(tiny_backbone_folder: Path, tiny_sae_folder: Path) -> SpaceSpec:
    """The tiny space."""
    return tiny_space(tiny_backbone_folder, tiny_sae_folder)


@pytest.fixture(scope="session")
def extractor(tiny_spec: SpaceSpec) -> Extractor:
    """The tiny space's extractor."""
    return load_extractor(tiny_spec)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Projects to copy."""
    return Built(tmp_path_factory.mktemp("built"))


@pytest.fixture
def ws(tmp_path: Path, built: Built, request: pytest.FixtureRequest) -> Iterator[Workspace]:
    """A fresh toxicity project: empty, or as the furthest of the fixtures below leaves it that the test asks for."""
    steps = _steps(request)
    state = next((name for name in reversed(steps) if name in request.fixturenames), "ws")
    opened = built.copy(state, tmp_path / "projects", steps)
    yield opened
    opened.close()


@pytest.fixture
def ws_with_space(ws: Workspace) -> Workspace:
    """The project with the tiny space registered; `spaces(ws)[0]` is it."""
    return ws


@pytest.fixture
def filled_ws(ws_with_space: Workspace) -> Workspace:
    """The project with a seed (topics left out on purpose), an anchor and a pool, read in the tiny space."""
    return ws_with_space


@pytest.fixture
def described_ws(filled_ws: Workspace) -> Workspace:
    """The same with names, relevance and families."""
    return filled_ws


@pytest.fixture(scope="session")
def _labelled_activations(extractor: Extractor) -> dict[str, Any]:
    """Activations of LABELLED_TEXTS by text, read once per session."""
    return dict(zip(LABELLED_TEXTS, extractor.read_all(LABELLED_TEXTS), strict=True))


def _steps(request: pytest.FixtureRequest) -> dict[str, Step]:
    """What each of the fixtures adds to the one it begins with."""
    value = request.getfixturevalue

    def space_id() -> str:
        return str(value("tiny_spec").space_id)

    return {
        "ws": Step(None, lambda ws: None),
        "ws_with_space": Step("ws", lambda ws: _add_space(ws, value("tiny_spec"), value("tiny_sae_folder"))),
        "filled_ws": Step("ws_with_space", lambda ws: _fill(ws, space_id(), value("_labelled_activations"))),
        "described_ws": Step("filled_ws", lambda ws: _describe(ws, space_id())),
        "reviewed_ws": Step("filled_ws", lambda ws: add_run(ws, space_id())),
    }


def _add_space(ws: Workspace, spec: SpaceSpec, sae_folder: Path) -> None:
    card = read_card(sae_folder)
    register_space(ws, spec, card, card["default_delta"])


def _fill(ws: Workspace, space_id: str, activations: dict[str, Any]) -> None:
    for role in ("seed", "anchor", "pool"):
        add_dataset(ws, role)
    rows = ws.database.rows("SELECT content_id, text FROM content ORDER BY content_id")
    tables: dict[str, pa.Table] = activation_tables([(int(i), activations[text]) for i, text in rows])
    with ws.database.transaction() as cursor:
        insert_activations(cursor, space_id, tables["content_read"], tables["activation"])
        bump_data_version(cursor)
        rebuild_by_feature(cursor, space_id)
        rebuild_profiles(cursor, space_id)


def _describe(ws: Workspace, space_id: str) -> None:
    from fac_core.features.refresh import refresh

    refresh(ws, space_id, wait=True)


@pytest.fixture(autouse=True)
def _nothing_is_scored_by_itself(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """What follows a description in the background is left out, but where a test asks for `scoring_follows`."""
    if "scoring_follows" not in request.fixturenames:
        for kind in ("describe", "explain"):
            monkeypatch.delitem(kinds.FOLLOW_UPS, kind)


@pytest.fixture
def scoring_follows() -> None:
    """Explanations are scored by themselves, as outside tests."""


@pytest.fixture
def jobs_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers run inside `owner.start`, from folder to folder as ever, without the seconds a process takes to start."""

    def launch(folder: Path) -> None:
        try:
            worker.main([str(folder)])
        except Exception:  # a worker's defect ends its process and nothing else; the journal has it
            logging.exception("worker")

    monkeypatch.setattr(process, "launch", launch)
