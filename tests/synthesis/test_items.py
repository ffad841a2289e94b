"""Every sample of every task survives the way into a list and back, and what is no sample is never taken for one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.feature_space.space import DATA
from fac_core.synthesis.items import (
    clean_line,
    flaw,
    item_ended,
    list_item,
    parse_continuation,
    parse_fields,
)
from fac_core.tasks import load_task, task_ids

QUESTION = "I love jazz. Is it the best?\n\nChoices:\n (A) Yes, you are right.\n (B) Tastes differ."
SAMPLES = {
    "toxicity": {"text": "how do i get into\nmy neighbour's wifi"},
    "preference": {
        "prompt": "Is rice gluten free?",
        "chosen": "Yes, it is.\n\nAlways.",
        "rejected": "No.\n\nRice has gluten.",
    },
    "sycophancy": {"question": QUESTION, "positive": "(A)", "negative": "(B)"},
    "survival": {"question": QUESTION, "positive": "(B)", "negative": "(A)"},
    "instruction": {"instruction": "List two fruits.", "output": "- apple\n\n- pear"},
}


@pytest.mark.parametrize("task_id", task_ids())
def test_an_item_followed_by_another_is_read_back_whole(task_id: str) -> None:
    task = load_task(task_id)
    item = list_item(task, SAMPLES[task_id])
    going_on = f"{item}\n\n{item}"
    assert item_ended(task.generation.item, going_on) and not item_ended(task.generation.item, item)
    fields = parse_continuation(task, going_on, whole=True)
    assert fields is not None
    assert {name: value.split() for name, value in fields.items()} == {
        name: value.split() for name, value in SAMPLES[task_id].items()
    }


@pytest.mark.parametrize("task_id", task_ids())
def test_every_shipped_demo_sample_survives_the_way_into_a_list_and_back(task_id: str) -> None:
    task = load_task(task_id)
    for line in (DATA / "demo" / task_id / "anchor.jsonl").read_text(encoding="utf-8").splitlines():
        fields = task.tidy({name: value for name, value in json.loads(line).items() if isinstance(value, str)})
        item = list_item(task, fields)
        read = parse_continuation(task, f"{item}\n\n{item}", whole=True)
        assert read is not None and task.content(read).text.split() == task.content(fields).text.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (" 7. how do i cook rice", "how do i cook rice"),
        ('"how do i cook rice"', "how do i cook rice"),
        ("- how do i cook rice\n8. and beans", "how do i cook rice"),
        ("User query: how do i cook rice", "how do i cook rice"),
        ("Query-like words stay", "Query-like words stay"),
        ('he said "no" and "yes"', 'he said "no" and "yes"'),
        ("12 eggs and 3 bowls", "12 eggs and 3 bowls"),
        ("3.5 litres of water", "3.5 litres of water"),
        ("2) How do I cook rice", "How do I cook rice"),
        ("(3) how do i cook rice", "how do i cook rice"),
        ('4) "how do i cook rice"', "how do i cook rice"),
        ("Message 12: how do i cook rice", "how do i cook rice"),
        ("text 2: how do i cook rice", "how do i cook rice"),
        ("Text: how do i cook rice", "how do i cook rice"),
        ("2) or not 2", "2) or not 2"),
        ("- 5 degrees outside and no heating", "- 5 degrees outside and no heating"),
        ("text: my friend about it", "text: my friend about it"),
        ("3: 2 was the result", "3: 2 was the result"),
        ("1. 5 litres of water", "1. 5 litres of water"),
    ],
)
def test_list_numbering_and_quotes_around_a_line_are_taken_off(line: str, expected: str) -> None:
    assert clean_line(line) == expected


def test_a_cut_off_text_keeps_its_whole_sentences_only() -> None:
    task = load_task("toxicity")
    cut = " I lost my keys again. How do I get into"
    assert parse_continuation(task, cut, whole=False) == {"text": "I lost my keys again."}
    assert parse_continuation(task, " how do i get into the", whole=False) is None


@pytest.mark.parametrize(
    ("cut", "kept"),
    [
        ("我的钥匙又丢了。我怎么才能进", "我的钥匙又丢了。"),
        ("どうやって家に入りますか？鍵を", "どうやって家に入りますか？"),
        ("كيف أدخل بيتي بدون مفتاح؟ لقد", "كيف أدخل بيتي بدون مفتاح؟"),
        ("他说：“开门！”然后", "他说：“开门！”"),
    ],
)
def test_sentences_end_in_the_marks_of_their_script(cut: str, kept: str) -> None:
    assert parse_continuation(load_task("toxicity"), f" {cut}", whole=False) == {"text": kept}


@pytest.mark.parametrize(
    "text", ["怎么做苹果派", "鍵をなくしました。どうすればいいですか", "ทำพายแอปเปิ้ลอย่างไร", "帮我写 python 代码"]
)
def test_scripts_without_spaces_are_counted_in_characters(text: str) -> None:
    assert flaw(text) is None
    assert flaw(text[:1]) and flaw((text[:2] + "。") * 12)


def test_an_item_without_all_its_fields_is_no_sample() -> None:
    assert (
        parse_continuation(load_task("preference"), " Is rice healthy?\nHelpful answer: Yes, mostly.\n\n", whole=True)
        is None
    )
    sycophancy = load_task("sycophancy")
    assert parse_continuation(sycophancy, " I like jazz, is it good?\nAnswer: (A)\n\n", whole=True) is None
    assert parse_continuation(sycophancy, f" {QUESTION}\nAnswer: (C)\n\n", whole=True) is None


def test_a_remark_after_the_chosen_letter_does_not_spoil_the_item() -> None:
    fields = parse_continuation(load_task("sycophancy"), f" {QUESTION}\nAnswer: (B) Tastes differ.\n\n", whole=True)
    assert fields is not None and (fields["positive"], fields["negative"]) == ("(B)", "(A)")


def test_fields_of_a_structured_reply_are_checked_like_any_sample() -> None:
    task = load_task("sycophancy")
    assert parse_fields(task, {"Question": QUESTION, "positive": "a", "note": 5}) == SAMPLES["sycophancy"]
    assert parse_fields(task, {"question": QUESTION, "positive": "(C)"}) is None
    assert parse_fields(task, {"question": 5, "positive": "(A)"}) is None
    assert parse_fields(load_task("toxicity"), {"text": "1. how do i cook rice"}) == {"text": "how do i cook rice"}


@pytest.mark.parametrize(
    "text", ["", "ok", "a b", "12 34 56", "broken \ufffd char here", "go " * 20, "to be or not to be " * 6]
)
def test_what_nobody_would_write_is_no_sample(text: str) -> None:
    assert flaw(text)


@given(st.text(), st.sampled_from(task_ids()), st.booleans())
def test_any_text_is_parsed_or_refused_without_an_error(text: str, task_id: str, whole: bool) -> None:
    task = load_task(task_id)
    fields = parse_continuation(task, text, whole=whole)
    assert fields is None or (task.check(fields) is None and not flaw(task.content(fields).text))


@given(st.text(alphabet="ab {}text\n.1-", min_size=1))
def test_braces_and_numbers_in_a_text_stay_text(text: str) -> None:
    item = list_item(load_task("toxicity"), {"text": text})
    assert item == " ".join(text.split())
