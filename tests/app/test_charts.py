"""Figures: what they show, what a click on them means, and that names of others stay text in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.coverage.gaps import Gap
from fac_core.coverage.heatmap import DIFFERENCE, SHARE, Heatmap
from fac_core.coverage.richness import Richness
from fac_core.coverage.sweep import SweepPoint
from pages.ui import charts, curves, differences, gap_table, threshold

PALETTE = {"text": "#000", "quiet": "#666", "grid": "#EEE", "paper": "#FFF", "accent": "#00F"}
HOSTILE = "<b onclick=x>bold</b> <a href='http://canary'>link</a> $x^2$"


def heatmap(measure: str = SHARE) -> Heatmap:
    return Heatmap(
        group_by="topic",
        measure=measure,
        row_kind="theme",
        rows=[(7, HOSTILE), (3, "")],
        groups=["casual", "<i>formal</i>"],
        share=np.array([[0.25, 1.0], [np.nan, 0.0]]),
        n_shown=np.array([[4, 2], [0, 3]]),
        n_missing=np.array([[3, 0], [0, 3]]),
        undersampled=np.array([[False, False], [False, True]]),
        missing={(0, 0): [1, 2, 4], (1, 1): [5, 6, 8]},
    )


def gap(feature_id: int, **changed: Any) -> Gap:
    values: dict[str, Any] = {
        "feature_id": feature_id, "name": f"gap {feature_id}", "family_id": feature_id, "members": [feature_id],
        "n_anchor": 5, "share_anchor": 0.05, "expected_seed": 3.5, "chance": 0.02, "robust": True, "state": "missing",
        "family_covered": False, "effect": 0.6, "example": "an example text", "example_start": 0, "example_end": 2,
    }  # fmt: skip
    return Gap(**{**values, **changed})


@pytest.mark.parametrize("measure", [SHARE, DIFFERENCE])
@pytest.mark.parametrize("dark", [False, True])
def test_a_heatmap_marks_what_is_missing_and_what_says_little(measure: str, dark: bool) -> None:
    chart = charts.heatmap(heatmap(measure), PALETTE, dark)
    assert list(chart.data[1].text) == ["○ 3", "", "◐ 3"]  # the empty cell carries no point
    assert [list(data) for data in chart.data[1].customdata] == [
        [7, "casual"],
        [7, "<i>formal</i>"],
        [3, "<i>formal</i>"],
    ]


def test_names_of_others_are_no_markup_in_a_chart() -> None:
    chart = charts.heatmap(heatmap(), PALETTE, False)
    shown = " ".join([*chart.layout.yaxis.ticktext, *chart.layout.xaxis.ticktext, *chart.data[1].hovertext])
    assert "<a" not in shown and "<i" not in shown and "onclick=x>" not in shown
    assert "$" not in shown
    assert "feature 3" in chart.layout.yaxis.ticktext


@given(st.text(max_size=200))
def test_a_literal_label_has_no_tag_and_stays_short(text: str) -> None:
    label = charts.literal(text, 30)
    assert "<" not in label and ">" not in label and "\n" not in label
    assert len(label) <= 30 * len("&amp;")


def test_a_click_on_a_cell_is_its_family_and_group() -> None:
    found = heatmap()
    assert charts.heatmap_cell({"points": [{"customdata": [3, "<i>formal</i>"]}]}, found) == (1, 1)
    assert charts.heatmap_cell({"points": []}, found) is None
    assert charts.heatmap_cell({}, found) is None


@pytest.mark.parametrize("said", [[99, "casual"], [7, "no such group"], ["7", None], [], None])
def test_a_cell_that_the_heatmap_does_not_have_is_no_cell(said: Any) -> None:
    assert charts.heatmap_cell({"points": [{"customdata": said}]}, heatmap()) is None


def test_the_chosen_cell_is_framed() -> None:
    chart = charts.heatmap(heatmap(), PALETTE, False, (1, 1))
    assert [(shape.x0, shape.y0) for shape in chart.layout.shapes] == [(0.52, 0.54)]


def test_a_map_has_one_mark_and_colour_for_each_state_and_missing_lies_on_top() -> None:
    chart = charts.feature_map(
        [1, 2, 3], [0, 1, 2], [0, 1, 2], ["missing", "covered", "missing"], ["a", HOSTILE, ""], PALETTE, False
    )
    assert [trace.name.split(" · ")[0] for trace in chart.data] == ["covered", "missing"]
    assert len({(trace.marker.symbol, trace.marker.color) for trace in chart.data}) == 2
    assert "<b" not in "".join(chart.data[0].text)
    assert chart.data[1].text[1] == "3 · no name yet"


def test_a_selection_on_the_map_gives_features_it_shows_once_each() -> None:
    points = [{"customdata": 4}, {"customdata": [5]}, {"customdata": 4}, {"customdata": 900}, {"customdata": "x"}, {}]
    assert charts.map_picks({"points": points}, [3, 4, 5]) == [4, 5]
    assert charts.map_picks({}, [3]) == []


def test_the_sweep_marks_the_chosen_and_the_calibrated_threshold() -> None:
    points = [SweepPoint(d / 4, 1 - d / 40, d) for d in range(30)]
    chart = curves.sweep(points, 2.0, 3.0, 6.0, PALETTE, False)
    assert {line.x0 for line in chart.layout.shapes} == {2.0, 3.0}
    assert [tuple(trace.y) for trace in chart.data if trace.mode == "markers"] == [(0.8,), (8,)]
    assert max(chart.data[0].x) == 6.0
    both = curves.sweep(points, 2.0, 3.0, 6.0, PALETTE, False, points)
    assert {trace.name for trace in both.data if trace.showlegend} == {"before", "with approved samples"}


def test_richness_draws_what_was_seen_apart_from_what_is_expected() -> None:
    chart = curves.richness(Richness(10, 8, 20, 14.5, [(0, 0.0), (10, 8.0), (30, 11.0)]), PALETTE)
    assert list(chart.data[0].x) == [0, 10]
    assert list(chart.data[1].x) == [10, 30]
    assert {note.text for note in chart.layout.annotations} == {"20 in the anchor", "14 without end (Chao2)"}


def test_before_and_after_carry_their_intervals() -> None:
    chart = curves.before_after((0.5, 0.4, 0.6), (0.7, 0.65, 0.8), PALETTE, True)
    assert chart.data[1].error_x.array[0] == pytest.approx(0.1)
    assert chart.data[1].error_x.arrayminus[0] == pytest.approx(0.05)


def test_closes_split_a_family_into_before_new_and_open() -> None:
    chart = curves.closes([HOSTILE], [2], [3], [9], False)
    assert [trace.x[0] for trace in chart.data] == [2, 3, 4]
    assert "<b" not in chart.layout.yaxis.ticktext[0]
    assert len({(trace.marker.opacity, trace.marker.pattern.shape) for trace in chart.data}) == 3


def test_a_gap_table_veils_examples_and_says_what_is_listed() -> None:
    columns = gap_table.table([gap(1), gap(2, robust=False, members=[2, 9])], {1}, veiled=True)
    assert columns["listed"] == ["✓", ""]
    assert columns["robust"] == ["✓", ""]
    assert columns["chance"] == pytest.approx([2.0, 2.0])
    assert columns["features"] == [1, 2]
    assert columns["example"][0] == "•• ••••••• ••••"
    assert gap_table.table([gap(1)], set(), veiled=False)["example"] == ["an example text"]


def test_ticked_rows_are_looked_up_in_the_list_that_was_drawn() -> None:
    gaps = [gap(5), gap(6)]
    assert [g.feature_id for g in gap_table.picked({"rows": [1, 7, -1, "0"]}, gaps)] == [6]
    assert gap_table.picked({}, gaps) == []


def test_the_slider_moves_in_steps_the_profiles_can_answer() -> None:
    assert threshold.step(1.1, 6) == 1.0
    assert threshold.step(1.13, 6) == 1.25
    assert threshold.step(99, 6) == 6
    assert threshold.step(-3, 6) == 0
    assert threshold.top_of([SweepPoint(12.0, 1, 1)], 2.0) == 6.0
    assert threshold.top_of([SweepPoint(12.0, 1, 1)], 4.0) == 8.0
    assert threshold.top_of([SweepPoint(1.0, 1, 1)], 0.5) == 1.0
    assert threshold.top_of([], 0.0) > 0


@given(st.text(max_size=120), st.text(max_size=120))
def test_compared_texts_are_shown_whole(other: str, text: str) -> None:
    assert "".join(piece.text for piece in differences.beside(other, text)) == other
    after = "".join(piece.text for piece in differences.edited(other, text) if piece.kind != "removed")
    assert after == text or (not text and after == text)


def test_shared_words_stand_out_and_an_edit_shows_both_sides() -> None:
    pieces = differences.beside("keep the cash", "Keep cash")
    assert [(p.text, p.kind) for p in pieces] == [("keep ", "strong"), ("the ", "quiet"), ("cash", "strong")]
    kinds = [(p.text, p.kind) for p in differences.edited("a cat", "a dog")]
    assert kinds == [("a ", ""), ("cat", "removed"), ("dog", "added")]
