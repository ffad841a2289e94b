"""A cell is a small coverage of its own, and says when it cannot know."""

from __future__ import annotations

import numpy as np
import pytest

from fac_core.coverage.gaps import gaps
from fac_core.coverage.heatmap import group_columns, heatmap
from fac_core.errors import InputError
from fac_core.store.activations import insert_activations
from fac_core.store.database import bump_data_version
from fac_core.workspace import Workspace
from tests.planted import Planted, activation_table, family, keywords, plant, read_table, recount

TOPICS = ["drugs", "fraud", "poison"]


def _project(ws: Workspace, clusters: dict[int, int] | None = None) -> str:
    """Features 1 and 2 are a family; the seed leaves out poison, and feature 2 among frauds."""
    samples = []
    for i in range(90):
        topic = TOPICS[i % 3]
        active = {1: 2.0, **({2: 2.0} if i % 2 else {}), **({5: 2.0} if i % 12 == 2 else {})}
        samples.append(Planted("anchor", f"anchor {i}", active, label="harmful", meta={"topic": topic, "id": str(i)}))
    for i in range(40):
        topic = TOPICS[i % 2]
        active = {1: 2.0, **({2: 2.0} if topic == "drugs" else {})}
        samples.append(Planted("seed", f"seed {i}", active, label="harmful", meta={"topic": topic, "id": f"s{i}"}))
    space = plant(ws, samples, clusters=clusters)
    family(ws, space, [1, 2])
    keywords(ws, space, {1: "pills · tablets", 2: "money", 5: "venom"})
    return space


def test_columns_to_group_by_are_those_that_sort_both_sides_into_a_few_groups(ws: Workspace) -> None:
    assert group_columns(ws, _project(ws)) == ["topic", "dataset"]


def test_a_cell_is_the_share_of_what_the_anchor_shows_in_the_group(ws: Workspace) -> None:
    found = heatmap(ws, _project(ws), 1.0, "topic")
    share = dict(zip(found.rows, found.share.tolist(), strict=True))
    column = {topic: place for place, topic in enumerate(found.groups)}
    two, venom = share[1, "pills · money"], share[5, "venom"]
    assert [two[column[topic]] for topic in TOPICS] == [1.0, 0.5, 0.0]
    assert venom[column["poison"]] == 0.0 and np.isnan(venom[column["drugs"]])


def test_a_group_the_seed_leaves_out_is_missing_and_not_undersampled(ws: Workspace) -> None:
    found = heatmap(ws, _project(ws), 1.0, "topic")
    row, column = found.rows.index((5, "venom")), found.groups.index("poison")
    assert found.cell(row, column) == [5] and found.n_missing[row, column] == 1
    assert not found.undersampled[row, column]
    row = found.rows.index((1, "pills · money"))
    assert found.cell(row, column) == [1, 2] and found.cell(row, found.groups.index("drugs")) == []


def test_a_cell_in_which_little_was_to_be_expected_says_undersampled(ws: Workspace) -> None:
    samples = [Planted("anchor", f"a{i}", {1: 2.0} if i in (0, 1) else {}, meta={"t": "xy"[i % 2]}) for i in range(100)]
    samples += [Planted("seed", f"s{i}", {}, meta={"t": "xy"[i % 2]}) for i in range(100)]
    found = heatmap(ws, plant(ws, samples), 1.0, "t")
    assert found.n_missing.tolist() == [[1, 1]] and found.undersampled.tolist() == [[True, True]]


def test_the_difference_is_that_of_firing_rates(ws: Workspace) -> None:
    found = heatmap(ws, _project(ws), 1.0, "topic", measure="difference")
    row = found.rows.index((1, "pills · money"))
    # drugs: feature 1 fires always in both, feature 2 in half of the anchor and in all of the seed
    assert found.share[row, found.groups.index("drugs")] == pytest.approx((0.0 + 0.5) / 2)
    assert found.share[row, found.groups.index("poison")] == pytest.approx((-1.0 - 0.5) / 2)


def test_by_dataset_each_set_in_hand_is_compared_with_the_whole_anchor(ws: Workspace) -> None:
    space = _project(ws)
    found = heatmap(ws, space, 1.0, "dataset")
    assert found.groups == ["seed"]
    assert found.share[found.rows.index((1, "pills · money"))].tolist() == [1.0]
    assert found.share[found.rows.index((5, "venom"))].tolist() == [0.0]


def test_rows_are_those_with_most_missing_features_and_no_more_than_asked_for(ws: Workspace) -> None:
    found = heatmap(ws, _project(ws), 1.0, "topic", max_rows=1)
    assert found.rows == [(5, "venom")] and found.share.shape == (1, 3)


def test_a_group_named_like_a_query_is_only_a_name(ws: Workspace) -> None:
    evil = "x'); DROP TABLE sample; --"
    samples = [
        Planted(role, f"{role} {g}", {1: 2.0}, meta={evil: g}) for role in ("seed", "anchor") for g in ("a'", 'b"')
    ]
    space = plant(ws, samples)
    assert evil in group_columns(ws, space) and sorted(heatmap(ws, space, 1.0, evil).groups) == ["a'", 'b"']


def test_columns_called_label_and_dataset_stand_beside_what_samples_have_by_themselves(ws: Workspace) -> None:
    samples = [
        Planted(role, f"{role} {i}", {1: 2.0}, label="ab"[i % 2], meta={"label": "xyz"[i % 3], "dataset": "uv"[i % 2]})
        for role in ("anchor", "seed")
        for i in range(12)
    ]
    space = plant(ws, samples)
    assert set(group_columns(ws, space)) == {"label", "label (column)", "dataset", "dataset (column)"}
    groups = {column: set(heatmap(ws, space, 1.0, column).groups) for column in group_columns(ws, space)}
    assert groups == {
        "label": {"a", "b"},
        "label (column)": {"x", "y", "z"},
        "dataset": {"seed"},
        "dataset (column)": {"u", "v"},
    }


def test_columns_that_already_bear_the_ending_stay_apart(ws: Workspace) -> None:
    names = ("label", "label (column)", "label (column) (column)", "topic (column)")
    meta = [{name: f"{name} {i}" for name in names} for i in range(2)]
    samples = [Planted(role, f"{role} {i}", {1: 2.0}, meta=meta[i]) for role in ("anchor", "seed") for i in range(2)]
    space = plant(ws, samples)
    groups = [frozenset(heatmap(ws, space, 1.0, column).groups) for column in group_columns(ws, space)]
    assert len(groups) == len(set(groups)) == 5


def test_an_unknown_column_or_measure_is_refused_with_a_sentence(ws: Workspace) -> None:
    space = _project(ws)
    with pytest.raises(InputError, match="grouped by 'planet'"):
        heatmap(ws, space, 1.0, "planet")
    with pytest.raises(InputError, match="not 'colour'"):
        heatmap(ws, space, 1.0, "topic", measure="colour")


def test_texts_read_since_profiles_were_counted_wait_for_them_as_fac_does(ws: Workspace) -> None:
    space = _project(ws)
    before = heatmap(ws, space, 1.0, "topic")
    listed = gaps(ws, space, 1.0)
    with ws.database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO dataset SELECT 'later', 'later', 'anchor', 'test', 'later', '{}', 0, 0, 0, 0, created_at, NULL "
            "FROM dataset WHERE dataset_id = 'anchor'"
        )
        cursor.execute(
            "INSERT INTO content SELECT 1000 + i, 'later ' || i, 'later ' || i, NULL, '' FROM range(30) t(i);"
            "INSERT INTO sample SELECT 1000 + i, 'later', i, NULL, 1000 + i, NULL, NULL, '{}', "
            '\'{"topic": "fraud"}\' FROM range(30) t(i)'
        )
        rows = [(1000 + i, feature, 9.0, 0, 5) for i in range(30) for feature in (1, 5, 7)]
        insert_activations(cursor, space, read_table(range(1000, 1030)), activation_table(rows))
        bump_data_version(cursor)
    during = heatmap(ws, space, 1.0, "topic")
    assert (during.n_shown.tolist(), during.missing) == (before.n_shown.tolist(), before.missing)
    assert [gap.chance for gap in gaps(ws, space, 1.0)] == [gap.chance for gap in listed]
    recount(ws, space)
    assert heatmap(ws, space, 1.0, "topic").n_shown.sum() > before.n_shown.sum()


def test_rows_are_decoder_clusters_where_they_are_asked_for(ws: Workspace) -> None:
    space = _project(ws, clusters={1: 1, 2: 5, 5: 5})
    with ws.database.transaction() as cursor:
        cursor.execute("INSERT INTO row_name VALUES (?, 'cluster', 5, 'money · venom')", [space])
    by_cluster = heatmap(ws, space, 1.0, "topic", rows_by="cluster")
    assert by_cluster.row_kind == "cluster" and set(by_cluster.rows) == {(1, "pills · tablets"), (5, "money · venom")}
    row = by_cluster.rows.index((5, "money · venom"))
    assert by_cluster.cell(row, by_cluster.groups.index("poison")) == [2, 5]
    assert heatmap(ws, space, 1.0, "topic").row_kind == "family", "this project has no themes"
    assert by_cluster.share.shape == (2, 3)


def test_a_space_without_decoder_clusters_falls_back_on_families_and_says_so(ws: Workspace) -> None:
    found = heatmap(ws, _project(ws), 1.0, "topic", rows_by="cluster")
    assert found.row_kind == "family" and (1, "pills · money") in found.rows


def test_rows_by_anything_else_are_refused(ws: Workspace) -> None:
    space = _project(ws)
    with pytest.raises(InputError, match=r"Rows are made by 'theme' or 'cluster', not by 'x'\."):
        heatmap(ws, space, 1.0, "topic", rows_by="x")
