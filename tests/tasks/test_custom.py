"""A task that a person makes: checked whole, no path, and as good as one of the five."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core import workspace
from fac_core.errors import InputError
from fac_core.home import home
from fac_core.tasks import custom_folder, faults, load_task, task_ids
from fac_core.tasks.custom import NewTask, add_task, formats, set_rubric, to_toml
from fac_core.tasks.ids import id_of_title, task_id_of

NEW = NewTask(
    name="Späm in mail",
    title="Spam",
    description="Tell advertising from mail that people wrote to each other.",
    rubric=("The text offers something for sale.", "The text hurries the reader."),
    format="text",
    label_column="verdict",
    positive=("Spam",),
)
CHOICE = "Is rain wet?\n\nChoices:\n (A) Yes.\n (B) No."
FIELDS = {
    "text": {"text": "buy now"},
    "instruction": {"instruction": "Sum up.", "output": "Short."},
    "pair": {"prompt": "hi", "chosen": "hello", "rejected": "what"},
    "choice": {"question": CHOICE, "positive": "(A)", "negative": "(B)"},
}


def test_a_new_task_stands_after_the_five_and_reads_its_label_column() -> None:
    task_id = add_task(NEW)
    task = load_task(task_id)
    assert task_id == "spam_in_mail" and task_ids()[5:] == [task_id]
    assert task.labels is not None and task.labels.aliases[0] == "verdict"
    assert (task.polarity("SPAM "), task.polarity("ham"), task.polarity(None)) == (True, False, None)
    assert task.label_words == ("spam", "not spam") and task.rubric == NEW.rubric


@pytest.mark.parametrize("format_id", ["text", "instruction", "pair", "choice"])
def test_every_form_gives_samples_items_and_prompts(format_id: str) -> None:
    assert format_id in formats()
    task = load_task(add_task(replace(NEW, format=format_id)))
    fields = task.tidy(FIELDS[format_id])
    assert task.check(fields) is None and task.content(fields).text
    assert task.parse_item(task.item(fields)) is not None
    assert all(line in task.generation.system for line in NEW.rubric)
    assert "{examples}" in task.generation.step1 and "{bad}" in task.generation.step2


def test_a_project_can_be_made_with_it_at_once(tmp_path: Path) -> None:
    with_it = workspace.create("Mail", add_task(NEW), root=tmp_path)
    assert with_it.task == "spam_in_mail"
    with_it.close()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": " ", "title": " "}, "needs a title, or a name"),
        ({"name": "x" * 41}, "at most 40 characters"),
        ({"name": "toxicity"}, "a task toxicity already"),
        ({"name": "a\u202eb"}, "U\\+202E"),
        ({"description": ""}, "description is empty"),
        ({"rubric": (" ",)}, "needs at least one line"),
        ({"rubric": ("line",) * 21}, "at most 20 lines"),
        ({"format": "../text"}, "no form of samples"),
        ({"label_column": ""}, "Name the column"),
        ({"positive": ()}, "at least one label"),
        ({"negative": ("SPAM",)}, "cannot say both"),
    ],
    ids=lambda value: str(next(iter(value))) if isinstance(value, dict) else "",
)
def test_each_fault_is_one_sentence_and_nothing_is_written(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        add_task(replace(NEW, **change))  # type: ignore[arg-type]
    assert not custom_folder().exists()


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "C:\\tasks", "task\x00x", "_shared"])
def test_a_hostile_name_is_no_path(name: str) -> None:
    try:
        task_id = add_task(replace(NEW, name=name))
    except InputError:
        assert not custom_folder().exists()
        return
    assert [path.name for path in custom_folder().iterdir()] == [f"{task_id}.toml"]
    assert all(path.is_relative_to(custom_folder()) for path in home().rglob("*.toml"))


@pytest.mark.parametrize(
    ("title", "task_id"),
    [
        ("กรองข้อความ", r"task_[0-9a-f]{8}"),
        ("垃圾邮件 2", r"task_[0-9a-f]{8}"),
        ("\N{PILE OF POO}", r"task_[0-9a-f]{8}"),
        ("42", "task_42"),
        ("Über Spam", "uber_spam"),
        ("Spam " + "x" * 200, r"spam_x{35}"),
    ],
    ids=["thai", "chinese", "emoji", "digits", "accents", "long"],
)
def test_a_title_in_any_script_makes_an_id_of_its_own(title: str, task_id: str) -> None:
    made = [add_task(replace(NEW, name="", title=title)) for _ in range(2)]
    assert re.fullmatch(task_id, made[0]) and made[1] != made[0] and made[1].startswith(made[0][:35])
    assert [load_task(each).title for each in made] == [title, title]


@given(st.text(max_size=400), st.sets(st.sampled_from(["spam", "task_1", "a"])))
def test_an_id_of_a_title_is_plain_short_and_free(title: str, taken: set[str]) -> None:
    try:
        task_id = id_of_title(title, taken)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert task_id.isidentifier() and task_id.isascii() and task_id not in taken
        assert len(task_id) <= 40 and task_id_of(task_id) == task_id


@given(st.text(max_size=60))
def test_an_id_is_a_plain_word_or_a_sentence(name: str) -> None:
    try:
        task_id = task_id_of(name)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert task_id.isidentifier() and task_id.isascii() and task_id == task_id.lower()


@given(
    st.recursive(
        st.dictionaries(
            st.text(min_size=1, max_size=8).filter(str.isprintable),
            st.one_of(
                st.text(max_size=20), st.booleans(), st.integers(0, 9), st.lists(st.text(max_size=9), max_size=3)
            ),
            max_size=4,
        ),
        lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
        max_leaves=6,
    )
)
def test_what_is_written_reads_as_it_was_said(said: dict[str, object]) -> None:
    assert tomllib.loads(to_toml(said)) == said


def test_another_rubric_is_another_version_and_those_of_the_five_are_fixed() -> None:
    task_id = add_task(NEW)
    before = load_task(task_id).rubric_version
    assert set_rubric(task_id, ["The text begs."]).rubric_version != before
    assert set_rubric(task_id, NEW.rubric).rubric_version == before, "the version is what the rubric says"
    with pytest.raises(InputError, match="comes with the app"):
        set_rubric("toxicity", ["x"])


def test_a_task_whose_file_is_gone_comes_back_as_it_was_at_the_projects_last_use(tmp_path: Path) -> None:
    task_id = add_task(NEW)
    path = by_hand(task_id, "\r\n")
    ws = workspace.create("Mail", task_id, root=tmp_path)
    set_rubric(task_id, ["The text begs."])
    ws.keep_task()
    ws.close()
    text = path.read_bytes()
    path.unlink()
    ws = workspace.open_project(ws.root)
    with pytest.raises(InputError, match=re.escape(str(custom_folder()))):
        load_task(ws.task)
    assert ws.restore_task() == path and path.read_bytes() == text
    path.write_text("title = ")  # one that is there is never written over, and is no copy to keep
    with pytest.raises(InputError, match=r"no TOML.*move it away"):
        ws.restore_task()
    ws.keep_task()
    path.unlink()
    ws.restore_task()
    assert path.read_bytes() == text
    ws.close()


def test_without_a_copy_or_with_a_spoilt_one_nothing_is_written(tmp_path: Path) -> None:
    task_id = add_task(NEW)
    ws = workspace.create("Mail", task_id, root=tmp_path)
    (custom_folder() / f"{task_id}.toml").unlink()
    for copy, sentence in (("title = 1", "needs"), ("= x", "is no TOML"), ("", "keeps no copy")):
        ws.set_setting(workspace.TASK_SETTING, copy)
        with pytest.raises(InputError, match=sentence):
            ws.restore_task()
    ws.set_setting(workspace.TASK_SETTING, "title = 1")
    with pytest.raises(InputError, match="its file is there"):
        workspace.Workspace(ws.root, ws.name, "../evil", ws.database).restore_task()
    assert list(custom_folder().glob("*.toml")) == [] and not list(home().glob("*.toml"))
    ws.close()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('title = "Spam"', "", "needs a text as 'title'"),
        ('relevance = "label"', 'relevance = "magic"', "names a relevance 'magic'"),
        ('content = ["text"]', 'content = ["body"]', "names content 'body'"),
        ("max_tokens = 60", "max_tokens = 0", "whole number above 0"),
        ("title", "= title", "is no TOML"),
    ],
    ids=["no title", "relevance", "content", "tokens", "no toml"],
)
def test_a_file_spoilt_by_hand_is_left_out_with_a_sentence(old: str, new: str, sentence: str) -> None:
    task_id = add_task(NEW)
    path = custom_folder() / f"{task_id}.toml"
    path.write_text(path.read_text().replace(old, new, 1))
    assert task_ids()[5:] == [] and sentence in faults()[0] and len(faults()) == 1
    with pytest.raises(InputError, match=sentence):
        load_task(task_id)


def test_the_words_for_generators_follow_another_rubric_but_not_over_a_persons_own() -> None:
    task_id = add_task(NEW)
    system = set_rubric(task_id, ["The text begs."]).generation.system
    assert "- The text begs." in system and not any(line in system for line in NEW.rubric)
    path = custom_folder() / f"{task_id}.toml"
    path.write_text(path.read_text().replace("- The text begs.", "- Whatever begs."))
    assert "- Whatever begs." in set_rubric(task_id, NEW.rubric).generation.system


BY_HAND = """# my task, with a date that nothing else reads
made = 2024-01-01  # when
notes = [{{ by = "ana" }}]
rubric = [  # any of these
    "The text offers something for sale.",  # as shops do
    # the next one was hard to word
    'The text hurries the reader.'
]
{rest}
"""


def by_hand(task_id: str, line_end: str = "\n") -> Path:
    """The task's file with comments, a list over several lines and a prompt over several lines."""
    path = custom_folder() / f"{task_id}.toml"
    lines = path.read_text().splitlines()
    rest = "\n".join(line for line in lines if not line.startswith("rubric = "))
    system = tomllib.loads(path.read_text())["generation"]["system"]
    rest = re.sub(r"(?m)^system = .*$", lambda _: f'system = """\n{system}"""  # mine', rest)
    path.write_bytes(BY_HAND.format(rest=rest).replace("\n", line_end).encode())
    assert load_task(task_id).rubric == NEW.rubric and load_task(task_id).generation.system == system
    return path


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_another_rubric_leaves_every_other_line_of_a_file_as_a_person_wrote_it(line_end: str) -> None:
    task_id = add_task(NEW)
    path = by_hand(task_id, line_end)
    before = path.read_bytes().decode().split(line_end)
    task = set_rubric(task_id, [NEW.rubric[0], "The text begs.", NEW.rubric[1]])
    after = path.read_bytes().decode().split(line_end)
    assert task.rubric == (NEW.rubric[0], "The text begs.", NEW.rubric[1])
    assert "- The text begs." in task.generation.system
    added = [line for line in after if "begs" in line]
    assert added == ['    "The text begs.",', "- The text begs."]
    hurried = [line.replace("reader.',", "reader.'") for line in after if line not in added]
    assert hurried == before
    set_rubric(task_id, NEW.rubric[1:])
    gone = [line for line in before if "for sale" not in line]
    assert path.read_bytes().decode().replace("reader.',", "reader.'").split(line_end) == gone


@given(st.lists(st.text(min_size=1, max_size=12).filter(lambda line: bool(line.strip())), min_size=1, max_size=4))
def test_whatever_the_rubric_says_the_rest_of_the_file_stays(lines: list[str]) -> None:
    task_id = "spam_in_mail"
    path = custom_folder() / f"{task_id}.toml"
    if not path.exists():
        by_hand(add_task(NEW))
    try:
        task = set_rubric(task_id, lines)
    except InputError as error:
        assert "change the rubric in" not in str(error)
        return
    assert list(task.rubric) and "made = 2024-01-01  # when" in path.read_bytes().decode().splitlines()
    assert all(f"- {line}" in task.generation.system for line in task.rubric)


def test_a_file_whose_rubric_cannot_be_found_is_left_as_it_is() -> None:
    task_id = add_task(NEW)
    path = custom_folder() / f"{task_id}.toml"
    lines = path.read_text().splitlines()
    generation = to_toml(tomllib.loads(path.read_text())["generation"]).strip().splitlines()
    rest = lines[: lines.index("[generation]")]
    path.write_text(before := "\n".join([f"generation = {{ {', '.join(generation)} }}", *rest]))
    assert load_task(task_id).rubric == NEW.rubric
    with pytest.raises(InputError, match="change the rubric in"):
        set_rubric(task_id, ["The text begs."])
    assert path.read_text() == before


def test_labels_that_a_person_wrote_in_capitals_are_found() -> None:
    task_id = add_task(replace(NEW, negative=("ham",)))
    path = custom_folder() / f"{task_id}.toml"
    path.write_text(path.read_text().replace('["spam"]', '["Spam "]').replace('["ham"]', '["HAM"]'))
    task = load_task(task_id)
    assert (task.polarity("Spam"), task.polarity("ham"), task.polarity("other")) == (True, False, None)


def test_a_file_that_an_editor_began_with_a_byte_order_mark_is_read_and_edited() -> None:
    task_id = add_task(NEW)
    path = custom_folder() / f"{task_id}.toml"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert not faults() and load_task(task_id).title == "Spam"
    set_rubric(task_id, ["It sells."])
    assert load_task(task_id).rubric == ("It sells.",)


def test_a_file_nested_beyond_reading_is_a_sentence() -> None:
    custom_folder().mkdir(parents=True)
    (custom_folder() / "deep.toml").write_text("a = " + "[" * 3000)
    assert task_ids()[5:] == [] and "is no TOML" in faults()[0]
