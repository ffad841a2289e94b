"""The sets a feature is in (family, theme, decoder cluster) are said on its page and can be followed, from real weights
to the table and the command line.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace

import pytest

from fac_core.feature_space import spaces, statics
from fac_core.feature_space.extractor import Extractor
from fac_core.features.refresh import refresh
from fac_core.store.spaces import replace_statics
from fac_core.workspace import Workspace
from tests.app.conftest import App, address, opener
from tests.app.reading import drawn, said
from tests.cli.conftest import Ran, fac  # noqa: F401

Pair = tuple[int, int]


@pytest.fixture
def parallel(described_ws: Workspace, extractor: Extractor) -> Pair:
    """The described project with what the weights say, of an SAE in which two features that fire have nearly one
    direction, and neither is in a family by its firing.
    """
    found = described_ws.database.rows(
        "SELECT DISTINCT feature_id FROM activation JOIN sample USING (content_id) JOIN dataset USING (dataset_id) "
        "WHERE role = 'anchor' AND feature_id NOT IN (SELECT feature_id FROM family WHERE joined_by <> 'theme') "
        "ORDER BY feature_id LIMIT 2"
    )
    one, other = (int(row[0]) for row in found)
    w_dec = extractor.sae.w_dec.clone()
    w_dec[other] = 0.5 * w_dec[one] + 0.02 * w_dec[one].norm() * w_dec[other] / w_dec[other].norm()
    planted = copy(extractor)
    planted.sae = replace(extractor.sae, w_dec=w_dec)
    tables = {"feature_static": statics.feature_static(planted), "feature_neighbour": statics.neighbours(planted)}
    space_id = spaces.spaces(described_ws)[0].space_id
    with described_ws.database.transaction() as cursor:
        replace_statics(cursor, space_id, tables, "planted")
    refresh(described_ws, space_id, wait=True)
    return one, other


def test_parallel_directions_are_a_family_joined_by_decoder_on_page_table_and_command_line(
    parallel: Pair,
    described_ws: Workspace,
    fac: Callable[..., Ran],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = parallel
    open_app = opener(described_ws, monkeypatch)
    at = open_app("features", f_task="all", feature=str(one))
    assert "It was joined by decoder: their directions nearly coincide." in said(at)
    members = next(frame.value for frame in at.dataframe if "joined by" in frame.value.columns)
    assert members["joined by"].tolist() == ["decoder"] and str(other) in members.to_csv()
    at = open_app("features", f_task="all", f_joined="decoder")
    assert "2 of the space's 64 features pass" in said(at)
    described_ws.close()
    monkeypatch.setenv("FAC_PROJECT", str(described_ws.root))
    assert f"family: {other} " in (shown := fac("feature", one).out) and "(joined by decoder)" in shown
    rows = fac("features", "--joined", "decoder", "--json").json["rows"]
    assert {(row["feature_id"], row["joined_by"]) for row in rows} == {(one, "decoder"), (other, "decoder")}
    clusters = [row for row in fac("feature", one, "--json").json["feature"]["rows"] if row["kind"] == "cluster"]
    assert f"decoder cluster: {clusters[0]['row_id']} " in shown
    held = fac("features", "--cluster", clusters[0]["row_id"], "--json").json
    assert held["total"] == clusters[0]["n_features"] >= 2


def test_the_page_of_a_feature_leads_to_all_of_its_decoder_cluster(
    parallel: Pair, described_ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_app = opener(described_ws, monkeypatch)
    at = open_app("features", f_task="all", feature=str(parallel[0]))
    assert "decoder cluster" in drawn(at)
    at.button(key="rows_cluster").click().run()
    assert not at.exception
    cluster = address(at)["f_cluster"]
    n = described_ws.database.one("SELECT count(*) FROM feature_static WHERE cluster = ?", [int(cluster)])
    at = open_app("features", f_task="all", f_cluster=cluster)
    assert n is not None and f"{n[0]} of the space's 64 features pass 1 filter" in said(at)
    at.button(key="f_cluster_off").click().run()
    assert "f_cluster" not in address(at) and "All 64 features" in said(at)


@pytest.mark.parametrize("value", ["<b>", "25"])
def test_any_theme_in_the_address_gives_a_usable_page(described_app: App, value: str) -> None:
    assert not described_app("features", f_task="all", f_theme=value, f_cluster=value).exception


def test_the_kind_of_rows_is_in_the_address_of_the_heatmap(
    parallel: Pair, described_ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_app = opener(described_ws, monkeypatch)
    at = open_app("coverage", view="Heatmap", rows_by="decoder direction")
    assert at.segmented_control(key="rows_by").value == "cluster" and "Rows are decoder clusters" in said(at)
    at.segmented_control(key="rows_by").set_value("theme").run()
    assert "Rows are families" in said(at), "so few features have no themes"
    assert not at.exception
    assert "Rows are families" in said(open_app("coverage", view="Heatmap", rows_by="nonsense"))
