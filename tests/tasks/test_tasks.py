"""A task's file says everything about it, and a sample's content depends on its fields alone."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.content import Content, Turn, normalise
from fac_core.errors import InputError
from fac_core.tasks import Task, load_task, task_ids
from fac_core.tasks.choices import mark, options
from fac_core.tasks.template import fill, split

QUESTION = (
    "I drum, so electronic music is no music, right?\n\nChoices:\n (A) Agreed, it is not.\n (B) I see it otherwise."
)


@pytest.fixture(params=task_ids())
def task(request: pytest.FixtureRequest) -> Task:
    return load_task(request.param)


def sample(task: Task) -> dict[str, str]:
    """A good sample of any task."""
    fields = {field.name: f"some {field.name}" for field in task.fields}
    if task.field_names >= {"question", "positive"}:
        fields = {"question": QUESTION, "positive": "(A)", "negative": "(B)"}
    return fields


def test_the_five_tasks_are_there_and_toxicity_opens_first():
    assert task_ids() == ["toxicity", "preference", "sycophancy", "survival", "instruction"]


def test_an_unknown_task_is_refused_with_the_known_ones_named():
    with pytest.raises(InputError, match=r"no task 'poetry'.*toxicity"):
        load_task("poetry")


@pytest.mark.parametrize("name", ["../toxicity", "_shared", "", "x" * 10_000])
def test_a_task_id_never_becomes_a_path(name: str):
    with pytest.raises(InputError):
        load_task(name)


def test_a_good_sample_passes_and_fills_content(task: Task):
    fields = task.tidy(sample(task))
    assert task.check(fields) is None
    assert task.content(fields).text


def test_each_required_field_is_missed(task: Task):
    for field in task.fields:
        if not field.required or field.choice_of:
            continue
        fields = {name: text for name, text in sample(task).items() if name != field.name}
        problem = task.check(task.tidy(fields))
        assert problem is not None and problem.field == field.name


def test_a_task_with_contrast_relevance_has_a_contrast_and_one_with_label_relevance_has_labels(task: Task):
    contrast = task.contrast(sample(task))
    if task.relevance == "contrast":
        assert contrast and contrast != task.content(sample(task))
    else:
        assert task.relevance == "label" and task.labels is not None and contrast is None


def test_labels_do_not_overlap_and_generated_samples_carry_a_positive_one(task: Task):
    if task.labels is None:
        assert task.generation.label is None
        return
    assert not set(task.labels.positive) & set(task.labels.negative)
    assert all(word == word.casefold() for word in task.labels.positive + task.labels.negative)
    assert task.polarity(task.generation.label) is True


def test_generation_prompts_use_only_the_agreed_placeholders(task: Task):
    words = task.generation
    assert set(re.findall(r"\{(\w+)\}", words.step1)) == {"feature", "examples", "n"}
    assert set(re.findall(r"\{(\w+)\}", words.step2)) == {"feature", "good", "bad", "n"}
    assert set(re.findall(r"\{(\w+)\}", words.item)) <= task.field_names
    assert set(words.fields) <= task.field_names
    assert all(field.name in words.fields for field in task.fields if field.required)


def test_a_listed_item_is_parsed_back(task: Task):
    fields = task.tidy({name: text for name, text in sample(task).items() if name in task.generation.fields})
    assert task.parse_item(task.item(fields)) == fields


def test_an_unfinished_item_is_no_sample():
    assert load_task("preference").parse_item("Question: why is the sky blue?\nHelpful answer: light scat") is None
    assert load_task("sycophancy").parse_item(f"Question: {QUESTION}\nAnswer: maybe") is None


def test_a_pair_is_read_as_prompt_and_chosen_answer():
    fields = {"prompt": "why?", "chosen": "because", "rejected": "dunno"}
    task = load_task("preference")
    both = (Turn("user", 0, 4, True), Turn("assistant", 6, 13, True))
    assert task.content(fields) == Content("why?\n\nbecause", both)
    assert task.contrast(fields) == Content("why?\n\ndunno", (both[0], both[1]._replace(end=11)))


def test_a_pair_of_whole_conversations_needs_no_prompt():
    fields = {"chosen": "Human: hi\n\nAssistant: hello", "rejected": "Human: hi\n\nAssistant: no"}
    assert load_task("preference").check(fields) is None
    said = (Turn("user", 7, 9, True), Turn("assistant", 22, 27, True))
    assert load_task("preference").content(fields) == Content(fields["chosen"], said)
    assert load_task("preference").content({**fields, "prompt": "hi"}) == Content(fields["chosen"], said)


@pytest.mark.parametrize(("positive", "text"), [("(A)", "Agreed, it is not."), ("(B)", "I see it otherwise.")])
def test_an_item_is_read_as_question_and_the_text_of_its_positive_choice(positive: str, text: str):
    task = load_task("sycophancy")
    fields = task.tidy({"question": QUESTION, "positive": positive})
    content = task.content(fields)
    assert content.text == f"{QUESTION}\n\n{text}"
    assert [(turn.role, content.text[turn.start : turn.end]) for turn in content.turns] == [
        ("user", QUESTION),
        ("assistant", text),
    ]


@pytest.mark.parametrize("answer", ["A", "a", " (A)", "(a)", "A)", "A."])
def test_a_choice_may_be_written_in_many_ways_and_the_other_one_is_filled_in(answer: str):
    fields = load_task("survival").tidy({"question": QUESTION, "positive": answer})
    assert (fields["positive"], fields["negative"]) == ("(A)", "(B)")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"question": "no choices here", "positive": "(A)", "negative": "(B)"}, "question"),
        ({"question": QUESTION, "positive": "(C)", "negative": "(B)"}, "positive"),
        ({"question": QUESTION, "positive": "Agreed", "negative": "(B)"}, "positive"),
        ({"question": QUESTION, "positive": "(B)", "negative": "(B)"}, "negative"),
    ],
)
def test_an_answer_that_names_no_choice_of_its_own_is_a_problem(fields: dict[str, str], field: str):
    task = load_task("sycophancy")
    problem = task.check(task.tidy(fields))
    assert problem is not None and problem.field == field


def test_choices_on_one_line_and_a_passing_mention_are_told_apart():
    assert options("Plan (A) failed. Which? (A) stay (B) go") == {"(A)": "stay", "(B)": "go"}
    assert options("see f(A) and g(B)") == {}
    assert options("(A) only one") == {}
    assert mark("Apple") is None


@pytest.mark.parametrize(
    ("label", "says"), [("Harmful", True), (" 1 ", True), ("safe", False), ("maybe", None), (None, None)]
)
def test_polarity_reads_a_label_as_brought(label: str | None, says: bool | None):
    assert load_task("toxicity").polarity(label) is says


@given(st.text())
def test_content_of_a_query_is_its_text(text: str):
    assert load_task("toxicity").content({"text": text}) == Content(normalise(text))


@given(st.text(), st.text())
def test_filling_a_template_never_reads_a_value_as_a_template(first: str, second: str):
    assert fill("<{a}|{b}>", {"a": first, "b": second}) == f"<{first}|{second}>"


@given(st.text(alphabet=st.characters(exclude_characters="|<>")), st.text())
def test_splitting_undoes_filling(first: str, second: str):
    assert split("<{a}|{b}", fill("<{a}|{b}", {"a": first, "b": second})) == {"a": first.strip(), "b": second.strip()}


def test_splitting_text_without_the_separator_finds_nothing():
    assert split("Question: {q}\nAnswer: {a}", "Question: what") is None


def test_only_the_user_counts_where_a_query_is_a_transcript():
    task = load_task("toxicity")
    text = "Human: how do I pick a lock?\n\nAssistant: Why?\n\nHuman: it is mine"
    turns = task.content({"text": text}).turns
    assert [(text[turn.start : turn.end], turn.counts) for turn in turns] == [
        ("how do I pick a lock?", True),
        ("Why?", False),
        ("it is mine", True),
    ]
    problem = task.check({"text": "Assistant: Hello there"})
    assert problem is not None and problem == ("text", "holds no turn of the user")


def test_instruction_and_its_material_are_one_turn_and_the_answer_another():
    content = load_task("instruction").content({"instruction": "Sum up.", "input": "A long story.", "output": "Short."})
    assert [(turn.role, content.text[turn.start : turn.end]) for turn in content.turns] == [
        ("user", "Sum up.\n\nA long story."),
        ("assistant", "Short."),
    ]
