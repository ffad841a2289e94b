"""A project's spaces and the identity of a space."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from fac_core.errors import InputError, ModelError, StoreError
from fac_core.feature_space import spaces
from fac_core.feature_space.space import EMBEDDED, SpaceSpec, embedded_folder, read_card
from fac_core.workspace import Workspace

SPEC = SpaceSpec("Name", "model", "b" * 64, 15, 30, "sae", "5" * 64, 128, 8)
CARD = {"fvu": 0.2, "l0": 8.0}


@pytest.mark.parametrize("name", [field.name for field in fields(SpaceSpec)])
def test_p21_a_spaces_id_changes_with_what_changes_an_activation_and_with_nothing_else(name: str) -> None:
    other = {str: "other", int: 3, bool: False}[type(getattr(SPEC, name))]
    changed = replace(SPEC, **{name: other})
    assert (changed.space_id == SPEC.space_id) == (name in {"name", "backbone", "sae"})


def test_a_spec_survives_its_text_and_one_of_another_version_is_refused() -> None:
    assert SpaceSpec.from_json(SPEC.to_json()) == SPEC
    with pytest.raises(ModelError, match="another version"):
        SpaceSpec.from_json({**json.loads(SPEC.to_json()), "rotation": 7})


def test_the_shipped_sae_is_found_after_its_folder_has_moved_and_no_other_is(tmp_path: Path) -> None:
    there = str(tmp_path / "old checkout" / "data" / "embedded")
    shipped = replace(SPEC, backbone=EMBEDDED, sae=there)
    assert SpaceSpec.from_json(shipped.to_json()) == replace(shipped, sae=str(embedded_folder()))
    for other in (replace(shipped, backbone="model"), replace(shipped, sae=str(tmp_path / "my SAE"))):
        assert SpaceSpec.from_json(other.to_json()) == other


def test_the_hook_is_told_in_words() -> None:
    assert SPEC.hook_in_words() == "output of block 15 of 30, counted from 1"


def test_registering_again_renews_name_card_and_place_only(ws: Workspace) -> None:
    space_id = spaces.register_space(ws, SPEC, CARD, 3.0)
    moved = replace(SPEC, name="New name", sae="elsewhere")
    assert spaces.register_space(ws, moved, {**CARD, "note": "x"}, 2.0) == space_id
    assert spaces.register_space(ws, moved, {**CARD, "note": "x"}, 2.0) == space_id
    (found,) = spaces.spaces(ws)
    assert found == spaces.Space(space_id, "New name", moved, {**CARD, "note": "x"}, 128, 2.0)
    assert spaces.space(ws, space_id) == found
    with pytest.raises(InputError, match="no feature space"):
        spaces.space(ws, "unknown")


def test_delta_starts_at_the_spaces_default_and_is_the_projects_choice(ws: Workspace) -> None:
    space_id = spaces.register_space(ws, SPEC, CARD, 3.25)
    assert spaces.delta(ws, space_id) == 3.25
    spaces.set_delta(ws, space_id, 0.0)
    assert spaces.delta(ws, space_id) == 0.0
    spaces.register_space(ws, SPEC, CARD, 1.0)
    assert spaces.delta(ws, space_id) == 0.0


@pytest.mark.parametrize("wrong", [-0.25, 0.3, 16.0, 99.0, float("nan"), float("inf")])
def test_a_threshold_that_no_profile_can_answer_is_refused_by_project_and_space(ws: Workspace, wrong: float) -> None:
    space_id = spaces.register_space(ws, SPEC, CARD, 3.25)
    with pytest.raises(InputError, match=r"δ must be a multiple of 0\.25 from 0 to 15\.75"):
        spaces.set_delta(ws, space_id, wrong)
    with pytest.raises(InputError, match=f"default threshold of the space {SPEC.name} must be a multiple"):
        spaces.register_space(ws, SPEC, CARD, wrong)
    assert (spaces.delta(ws, space_id), spaces.space(ws, space_id).default_delta) == (3.25, 3.25)


def test_facts_about_features_are_loaded_once_and_replaced_when_they_change(ws: Workspace, tmp_path: Path) -> None:
    space_id = spaces.register_space(ws, SPEC, CARD, 3.0)
    spaces.load_statics(ws, space_id, tmp_path)
    static = {"feature_id": [0, 1], "pca_x": [0.5, 1.5], "pca_y": [2.0, 3.0], "is_template": [False, True]}
    parquet.write_table(pa.table(static), tmp_path / "feature_static.parquet")
    token = {"feature_id": [1], "rank": [1], "token": ["<b>"], "logit": [2.0]}
    parquet.write_table(pa.table(token), tmp_path / "feature_token.parquet")
    spaces.load_statics(ws, space_id, tmp_path)
    assert ws.database.rows("SELECT feature_id, pca_x, umap_x, is_template FROM feature_static ORDER BY 1") == [
        (0, 0.5, None, False),
        (1, 1.5, None, True),
    ]
    with ws.database.transaction() as cursor:
        cursor.execute("UPDATE feature_static SET umap_x = 1")
    spaces.load_statics(ws, space_id, tmp_path)
    assert ws.database.one("SELECT umap_x FROM feature_static") == (1,), "a map made here is kept"
    parquet.write_table(pa.table({**token, "token": ["other"]}), tmp_path / "feature_token.parquet")
    spaces.load_statics(ws, space_id, tmp_path)
    assert ws.database.rows("SELECT token FROM feature_token") == [("other",)]


def test_damaged_facts_are_told_in_a_sentence(ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space_id = spaces.register_space(ws, SPEC, CARD, 3.0)
    path = tmp_path / "feature_token.parquet"
    path.write_bytes(b"nonsense")
    with pytest.raises(ModelError, match=r"feature_token\.parquet is damaged"):
        spaces.load_statics(ws, space_id, tmp_path)

    def unreadable(*_: object, **__: object) -> pa.Table:
        raise pa.lib.ArrowNotImplementedError("Support for codec 'lzo' not built")

    with monkeypatch.context() as patched:
        patched.setattr(parquet, "read_table", unreadable)
        with pytest.raises(ModelError, match=r"feature_token\.parquet is damaged"):
            spaces.load_statics(ws, space_id, tmp_path)
    parquet.write_table(pa.table({"feature_id": [1], "rank": [1], "token": ["a"]}), path)
    with pytest.raises(StoreError, match="lacks the column logit"):
        spaces.load_statics(ws, space_id, tmp_path)


def test_the_shipped_space_is_registered_with_its_card_and_facts(
    ws: Workspace, tmp_path: Path, tiny_sae_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data" / "embedded"
    folder.mkdir(parents=True)
    for path in tiny_sae_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    neighbours = {"feature_id": [0], "rank": [1], "other_id": [1], "cosine": [0.5]}
    parquet.write_table(pa.table(neighbours), folder / "feature_neighbour.parquet")
    monkeypatch.setattr("fac_core.feature_space.space.DATA", tmp_path / "data")
    space_id = spaces.ensure_embedded(ws)
    assert spaces.ensure_embedded(ws) == space_id
    space = spaces.space(ws, space_id)
    assert (space.d_sae, space.default_delta, space.spec.backbone) == (64, 1.0, "embedded")
    assert ws.database.rows("SELECT other_id FROM feature_neighbour") == [(1,)]


def test_a_missing_or_incomplete_card_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no readable card\.json"):
        read_card(tmp_path)
    (tmp_path / "card.json").write_text('{"block": 1}')
    with pytest.raises(ModelError, match="does not say n_blocks"):
        read_card(tmp_path)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("block", "fifteen"),
        ("block", 1.5),
        ("d_sae", None),
        ("k", True),
        ("n_blocks", -1),
        ("fvu", "small"),
        ("l0", [16]),
        ("fvu", float("nan")),
        ("default_delta", "3"),
    ],
)
def test_a_card_that_says_something_else_than_a_number_is_told_in_a_sentence(
    tmp_path: Path, tiny_sae_folder: Path, entry: str, value: object
) -> None:
    card = read_card(tiny_sae_folder)
    (tmp_path / "card.json").write_text(json.dumps({**card, entry: value}), encoding="utf-8")
    with pytest.raises(ModelError, match=f"says {entry} is"):
        read_card(tmp_path)


@pytest.mark.parametrize("content", ["[]", "7", '"card"', "null"])
def test_a_card_that_is_no_card_is_told_in_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "card.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match="is not a card"):
        read_card(tmp_path)
