"""A preview shows what an import will do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fac_core.errors import InputError
from fac_core.samples.importing import pasted
from fac_core.samples.preview import Mapping, Preview, preview, preview_source
from fac_core.tasks import load_task
from fac_core.workspace import Workspace
from tests.samples.files import GOOD, bring, jsonl


def look(path: Path, task: str = "toxicity", mapping: Mapping | None = None) -> Preview:
    return preview(path, path.name, load_task(task), mapping)


@pytest.mark.parametrize(
    ("task", "row", "mapping"),
    [
        ("toxicity", {"text": "a", "label": "benign"}, Mapping({"text": "text"}, "label")),
        ("toxicity", {"ID": 1, "User Query": "a", "Is_Toxic": 1}, Mapping({"text": "User Query"}, "Is_Toxic", "ID")),
        (
            "toxicity",
            {"lang": "en", "what they said": "a long sentence"},
            Mapping({"text": "what they said"}, meta=["lang"]),
        ),
        (
            "preference",
            {"question": "q", "response_chosen": "c", "response_rejected": "r", "source": "s"},
            Mapping(
                {"prompt": "question", "chosen": "response_chosen", "rejected": "response_rejected"}, meta=["source"]
            ),
        ),
        (
            "sycophancy",
            {"question": "?", "answer_matching_behavior": "(A)", "answer_not_matching_behavior": "(B)"},
            Mapping(
                {
                    "question": "question",
                    "positive": "answer_matching_behavior",
                    "negative": "answer_not_matching_behavior",
                }
            ),
        ),
        (
            "instruction",
            {"instruction": "i", "input": "x", "output": "o"},
            Mapping({"instruction": "instruction", "input": "input", "output": "output"}),
        ),
    ],
)
def test_fields_are_guessed_from_common_column_names(tmp_path: Path, task: str, row: dict, mapping: Mapping):
    assert look(jsonl(tmp_path / "a.jsonl", [row]), task).mapping == mapping


def test_five_mapped_rows_and_the_number_of_all_rows_are_shown(tmp_path: Path):
    shown = look(jsonl(tmp_path / "a.jsonl", [*GOOD, *GOOD, "{bad"]))
    assert (shown.format, shown.columns, shown.n_rows) == ("JSONL", ["text", "label", "topic"], 7)
    assert shown.rows == [{"text": row["text"], "label": row["label"]} for row in [*GOOD, *GOOD][:5]]
    assert shown.warnings == [
        "1 of 7 rows cannot be used; the first is row 7 is not valid JSON (Expecting property name enclosed in "
        "double quotes at character 2)."
    ]


def test_a_guess_that_finds_nothing_leaves_the_choice_open(tmp_path: Path):
    shown = look(jsonl(tmp_path / "a.jsonl", [{"a": "x", "b": "y"}]), "preference")
    assert shown.rows == [] and shown.n_rows == 1
    assert shown.warnings == ["Choose a column for chosen and rejected."]


def test_a_corrected_mapping_is_used(tmp_path: Path):
    path = jsonl(tmp_path / "a.jsonl", [{"text": "wrong", "body": "right"}])
    assert look(path, mapping=Mapping({"text": "body"})).rows == [{"text": "right"}]


def test_labels_that_are_missing_or_unknown_are_announced(tmp_path: Path):
    rows = [{"text": "a", "label": "benign"}, {"text": "b", "label": "perhaps"}, {"text": "c"}]
    unlabelled, unknown = look(jsonl(tmp_path / "a.jsonl", rows)).warnings
    assert unlabelled == "1 of 3 rows have no label."
    assert unknown.startswith("1 labels, such as 'perhaps', say neither harmful or benign")
    assert look(jsonl(tmp_path / "b.jsonl", [{"text": "a"}])).warnings == [
        "No row has a label; relevance needs labels."
    ]


def test_pasted_lines_are_texts_and_pasted_json_is_rows():
    task = load_task("toxicity")
    assert preview_source(pasted("one\n\ntwo\r\n"), task).rows == [{"text": "one"}, {"text": "two"}]
    rows = "\n".join(json.dumps(row) for row in GOOD)
    assert preview_source(pasted(rows), task).mapping == Mapping({"text": "text"}, "label", meta=["topic"])


def test_what_the_preview_counts_the_import_does(ws: Workspace, tmp_path: Path):
    path = jsonl(tmp_path / "a.jsonl", [*GOOD, {"text": ""}, {"text": 5}, "nonsense"])
    shown, report = look(path), bring(ws, path)
    assert shown.n_rows == report.n_rows + report.n_quarantined == 6
    assert shown.warnings == report.warnings


def test_a_list_of_texts_is_no_set_of_pairs(tmp_path: Path):
    from fac_core import workspace

    pairs = workspace.create("pairs", "preference", root=tmp_path)
    (tmp_path / "a.txt").write_text("one\ntwo\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"No column of a\.txt is chosen for chosen and rejected"):
        bring(pairs, tmp_path / "a.txt")
    pairs.close()
