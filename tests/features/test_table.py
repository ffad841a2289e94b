"""The table, the feature page, examples, the map: what they show is what the store holds."""

from __future__ import annotations

import pytest

from fac_core.coverage.worklist import add
from fac_core.errors import InputError
from fac_core.features.detail import feature_detail
from fac_core.features.examples import examples
from fac_core.features.map import feature_map
from fac_core.features.naming import rename
from fac_core.features.relevance import choose_mode, judgements, overrule
from fac_core.features.table import SORTS, feature_ids, feature_page
from fac_core.store.feature_weights import set_layout
from fac_core.workspace import Workspace
from tests.planted import Planted, family, keywords, plant, relevant_by_label


@pytest.fixture
def project(ws: Workspace) -> tuple[Workspace, str]:
    samples = [
        Planted("anchor", f"anchor {i}", {1: 0.3 + i / 10, 2: 2.0, **({3: 7.0} if i < 5 else {}), 4: 0.5})
        for i in range(60)
    ]
    samples += [Planted("seed", f"seed {i}", {2: 3.0}) for i in range(40)]
    samples += [Planted("pool", "pool", {6: 9.0, 3: 20.0})]
    space = plant(ws, samples, neighbours=[(3, 6, 0.7)], clusters={3: 3, 6: 3, 8: 9})
    keywords(ws, space, {1: "hack into · break into", 2: "Weather", 3: "hack tools"})
    family(ws, space, [1, 3])
    return ws, space


def test_every_feature_is_listed_once_with_its_counts(project: tuple[Workspace, str]) -> None:
    ws, space = project
    page = feature_page(ws, space, 1.0, page_size=100)
    rows = {row.feature_id: row for row in page.rows}
    assert page.total == 32 and sorted(rows) == list(range(32))
    assert (rows[2].n_anchor, rows[2].n_seed, rows[2].state, rows[2].density_anchor) == (60, 40, "covered", 1.0)
    assert (rows[3].n_anchor, rows[3].max_value, rows[3].state) == (5, 20.0, "missing")
    assert [rows[i].state for i in (1, 4, 6, 9)] == ["dense", "silent", "silent", "dead"]
    assert sum(rows[3].hist) == 5 and rows[3].hist[6] == 5 and rows[1].family_id == 1


def test_filters_combine_and_search_finds_all_words_or_a_number(project: tuple[Workspace, str]) -> None:
    ws, space = project
    add(ws, space, [3], "test")

    def found(**filters: object) -> list[int]:
        return [row.feature_id for row in feature_page(ws, space, 1.0, **filters).rows]  # type: ignore[arg-type]

    assert found(search="HACK") == [1, 3] and found(search="into hack") == [1] and found(search="2") == [2]
    assert found(search="hack", states=["missing"]) == [3]
    assert found(in_list=True) == [3] and found(family=1) == [1, 3]
    assert found(search="%' OR 1=1 --") == []


def test_a_theme_and_a_decoder_cluster_narrow_the_table_and_stand_on_the_page_of_a_feature(
    project: tuple[Workspace, str],
) -> None:
    ws, space = project
    with ws.database.transaction() as cursor:
        cursor.execute("INSERT INTO family VALUES (?, 3, 2, 'theme'), (?, 2, 2, 'theme')", [space, space])
        cursor.execute(
            "INSERT INTO row_name VALUES (?, 'theme', 2, 'weather'), (?, 'cluster', 3, 'tools')", [space] * 2
        )
    assert feature_ids(ws, space, 1.0, theme=2) == [2, 3] and feature_ids(ws, space, 1.0, cluster=3) == [3, 6]
    assert feature_ids(ws, space, 1.0, theme=2, cluster=3) == [3] and feature_ids(ws, space, 1.0, cluster=2) == []
    rows = feature_detail(ws, space, 3, 1.0).rows
    assert rows == [("theme", 2, "weather", 2), ("cluster", 3, "tools", 2)]
    assert feature_detail(ws, space, 8, 1.0).rows == [("cluster", 9, "", 1)]
    assert feature_detail(ws, space, 9, 1.0).rows == []


def test_families_density_and_lists_narrow_the_table_and_all_of_it_can_be_taken(project: tuple[Workspace, str]) -> None:
    ws, space = project
    with ws.database.transaction() as cursor:
        cursor.execute("INSERT INTO family VALUES (?, 8, 8, 'decoder'), (?, 9, 8, 'decoder')", [space, space])

    def found(**filters: object) -> list[int]:
        ids = feature_ids(ws, space, 1.0, **filters)  # type: ignore[arg-type]
        assert sorted(row.feature_id for row in feature_page(ws, space, 1.0, page_size=100, **filters).rows) == sorted(
            ids
        )  # type: ignore[arg-type]
        return ids

    assert found(joined=["firing"]) == [1, 3] and found(joined=["firing", "decoder"]) == [1, 3, 8, 9]
    assert len(found(joined=["alone"])) == 28 and found(joined=["both"]) == []
    row = feature_page(ws, space, 1.0, search="3").rows[0]
    assert (row.family_size, row.joined_by) == (2, "firing")
    assert 2 not in found(max_density=0.5) and len(found(max_density=1.0)) == 32
    assert found(among=[9, 3, 99, -1]) == [9, 3] and found(among=[9, 3], search="hack") == [3] and found(among=[]) == []
    given = feature_page(ws, space, 1.0, among=[9, 3, 20], sort="given").rows
    assert [row.feature_id for row in given] == [9, 3, 20]


def test_pages_cut_the_sorted_list_without_overlap(project: tuple[Workspace, str]) -> None:
    ws, space = project
    for sort in ("anchor", "q", "name"):
        whole = [row.feature_id for row in feature_page(ws, space, 1.0, sort=sort, page_size=100).rows]
        pages = [feature_page(ws, space, 1.0, sort=sort, page=p, page_size=10) for p in (1, 2, 3, 4)]
        assert [row.feature_id for page in pages for row in page.rows] == whole
    assert feature_page(ws, space, 1.0, page=99).rows == []


def test_features_without_a_value_to_sort_by_come_last(project: tuple[Workspace, str]) -> None:
    ws, space = project
    relevant_by_label(ws, space, [5, 1])
    for descending in (True, False):
        order = [row.feature_id for row in feature_page(ws, space, 1.0, sort="effect", descending=descending).rows]
        assert order[:2] == [1, 5]
        names = [row.name for row in feature_page(ws, space, 1.0, sort="name", descending=descending).rows]
        assert all(names[:3]) and not any(names[3:])


def test_what_is_above_delta_in_no_anchor_sample_comes_after_what_is_by_effect_and_lift(
    project: tuple[Workspace, str],
) -> None:
    ws, space = project
    with ws.database.transaction() as cursor:
        for feature, effect in ((4, 0.95), (6, 0.9), (2, 0.6), (3, 0.7)):
            cursor.execute(
                "INSERT INTO relevance VALUES (?, ?, 'label', ?, ?, 0.001, 0.01, 10, true, 'positive')",
                [space, feature, effect, 10 * effect],
            )
    for sort in ("effect", "lift"):
        rows = feature_page(ws, space, 1.0, sort=sort).rows
        assert [row.feature_id for row in rows[:5]] == [3, 2, 4, 6, 1]
        assert [row.below_delta for row in rows[:5]] == [False, False, True, True, False]
    assert feature_page(ws, space, 1.0, sort="max").rows[0].feature_id == 3


def test_every_column_can_be_sorted_by(project: tuple[Workspace, str]) -> None:
    for sort in SORTS:
        assert feature_page(*project, 1.0, sort=sort, page_size=1).total == 32


def test_an_unknown_sort_is_refused_with_a_sentence(project: tuple[Workspace, str]) -> None:
    with pytest.raises(InputError, match="cannot be sorted by 'value; DROP'"):
        feature_page(*project, 1.0, sort="value; DROP")


def test_a_person_overrules_the_tests_and_can_take_it_back(project: tuple[Workspace, str]) -> None:
    ws, space = project
    choose_mode(ws, "label")
    assert feature_page(ws, space, 1.0, relevant=True).total == 0
    overrule(ws, space, 3, True, "ana")
    row = feature_page(ws, space, 1.0, relevant=True).rows[0]
    assert (row.feature_id, row.overruled, row.relevant) == (3, True, True)
    overrule(ws, space, 3, None, "ana")
    assert feature_page(ws, space, 1.0, relevant=True).total == 0
    assert [event.relevant for event in judgements(ws, space, 3)] == [None, True]


def test_an_unknown_relevance_mode_is_refused(ws: Workspace) -> None:
    with pytest.raises(InputError, match="no relevance mode 'maybe'"):
        choose_mode(ws, "maybe")


def test_a_feature_page_shows_what_the_table_shows_and_more(project: tuple[Workspace, str]) -> None:
    ws, space = project
    detail = feature_detail(ws, space, 3, 1.0)
    assert detail.row == feature_page(ws, space, 1.0, search="3").rows[0]
    assert detail.neighbours == [(6, "", pytest.approx(0.7))] and detail.family == [
        (1, "hack into · break into", "firing")
    ]
    assert sum(detail.histogram["anchor"]) == 5 and detail.histogram["pool"][63] == 1
    assert [event.text for event in detail.history] == ["hack tools"]
    with pytest.raises(InputError, match="no feature 32"):
        feature_detail(ws, space, 32, 1.0)


def test_a_name_is_one_tidy_line_of_bounded_length(project: tuple[Workspace, str]) -> None:
    ws, space = project
    rename(ws, space, 3, " <b>tools</b>\n\tfor =HYPERLINK() ", "ana")
    row = feature_page(ws, space, 1.0, search="3").rows[0]
    assert (row.name, row.named_by) == ("<b>tools</b> for =HYPERLINK()", "human")
    with pytest.raises(InputError, match="at most 200"):
        rename(ws, space, 3, "x" * 201, "ana")


def test_examples_come_in_three_bands_without_a_text_twice(project: tuple[Workspace, str]) -> None:
    ws, space = project
    bands = examples(ws, space, 1, 1.0, n=4)
    values = {band: [round(example.value, 1) for example in found] for band, found in bands.items()}
    assert values["top"] == [6.2, 6.1, 6.0, 5.9] and values["threshold"] == [1.4, 1.3, 1.2, 1.1]
    assert all(3.2 < value < 4.1 for value in values["middle"]) and len(values["middle"]) == 4
    texts = [example.text for found in bands.values() for example in found]
    assert len(texts) == len(set(texts))
    strong = ("top", "middle", "threshold")
    assert all((example.value > 1.0) == (band in strong) for band, found in bands.items() for example in found)
    assert values["miss"] == [1.0, 0.9, 0.8, 0.7] and values["zero"] == [0.0] * 4


def test_few_examples_are_shown_once_and_copies_of_a_text_are_one(ws: Workspace) -> None:
    samples = [
        Planted("anchor", "Hack  the bank", {1: 5.0}, {1: (0, 4)}, label="harmful", meta={"topic": "money"}),
        Planted("seed", "hack the BANK", {1: 4.0}),
        Planted("pool", "hack the bank", {1: 3.0}),
        Planted("pool", "hack the bank", {1: 3.0}),
        Planted("anchor", "steal", {1: 2.0}),
    ]
    bands = examples(ws, plant(ws, samples), 1, 1.0)
    assert [example.text for example in bands["top"]] == ["Hack  the bank", "steal"]
    assert bands["middle"] == [] and bands["threshold"] == []
    first = bands["top"][0]
    assert (first.char_start, first.char_end, first.label, first.role) == (0, 4, "harmful", "anchor")
    assert first.meta == {"topic": "money"} and first.dataset == "anchor"


def test_a_feature_nothing_activates_has_no_examples(project: tuple[Workspace, str]) -> None:
    found = examples(*project, 20, 0.0)
    assert {band for band, listed in found.items() if listed} == {"zero"}


def test_the_map_stands_on_principal_axes_until_it_was_laid_out(project: tuple[Workspace, str]) -> None:
    ws, space = project
    found = feature_map(ws, space, 1.0)
    assert (found.method, found.ids.tolist(), found.x.tolist()) == ("pca", [1, 2, 3], [1.0, 2.0, 3.0])
    assert found.state == ["dense", "covered", "missing"] and found.names[2] == "hack tools"
    assert feature_map(ws, space, 1.0, only_relevant=False).ids.tolist() == [1, 2, 3, 4, 6]
    import pyarrow as pa

    rows = pa.table({"feature_id": list(range(32)), "umap_x": [0.5] * 32, "umap_y": [float(i) for i in range(32)]})
    with ws.database.transaction() as cursor:
        set_layout(cursor, space, rows)
    laid = feature_map(ws, space, 1.0)
    assert (laid.method, laid.y.tolist()) == ("umap", [1.0, 2.0, 3.0])


def test_a_space_without_facts_about_its_weights_has_an_empty_map(project: tuple[Workspace, str]) -> None:
    ws, space = project
    with ws.database.transaction() as cursor:
        cursor.execute("DELETE FROM feature_static")
    found = feature_map(ws, space, 1.0)
    assert (found.method, len(found.ids), len(found.x)) == ("", 0, 0)
