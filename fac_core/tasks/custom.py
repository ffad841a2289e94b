"""A task that a person makes is a file like those of the five, checked before it is written, under a name of ours.

What the person says becomes strings in that file and nothing else. The words for generators follow from title,
description and rubric; whoever wants others can edit the file.
"""

from __future__ import annotations

import json
import re
import secrets
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fac_core.errors import InputError, StoreError
from fac_core.human import one_line
from fac_core.tasks import custom_folder, faults, is_custom, load_task, shared, task_ids, toml_edit
from fac_core.tasks.ids import id_of_title, task_id_of
from fac_core.tasks.reading import parse, read_toml
from fac_core.tasks.task import Task

MAX_LINE, MAX_LINES, MAX_WORD, MAX_WORDS = 300, 20, 60, 20
_FORMATS = Path(__file__).parent / "_formats.toml"
_LABEL_ALIASES = ("label", "labels", "class", "target")
_SHOWN = "Texts that show it, the clearest first:\n{examples}"


@dataclass(frozen=True)
class NewTask:
    """What a person says of a task."""

    name: str
    """Becomes the task's id; empty makes one of the title."""
    title: str
    """How people see it, in any script; empty takes the name."""
    description: str
    """One sentence."""
    rubric: tuple[str, ...]
    """Criteria, any of which makes a feature relevant."""
    format: str
    """One of `formats`."""
    label_column: str = ""
    """Column of the label; needed where samples are single texts."""
    positive: tuple[str, ...] = ()
    """Labels of samples that show what the task is about."""
    negative: tuple[str, ...] = ()
    """Labels of the others; empty: every other label."""
    sensitive: bool = False
    """Whether texts are veiled until a person lifts the veil."""


def formats() -> dict[str, str]:
    """Forms that a sample can have: {id: in words}."""
    return {name: str(form["title"]) for name, form in read_toml(_FORMATS).items()}


def needs_label(format_id: str) -> bool:
    """Whether relevance of a task of that form goes by a label."""
    return bool(read_toml(_FORMATS)[format_id]["relevance"] == "label")


def add_task(new: NewTask) -> str:
    """Write a task's file; returns the task's id, which can be used at once.

    Raises:
        InputError: the first fault of what was said.
        StoreError: the file cannot be written.
    """
    task_id, said = _said(new)
    _write(task_id, to_toml(said))
    return task_id


def set_rubric(task_id: str, lines: Sequence[str]) -> Task:
    """Give a person's own task another rubric, also in the words for generators where they list the old one; ratings
    against that stay, and count no more.

    Raises:
        InputError: no such task, one of the five, or a fault of the lines.
        StoreError: the file cannot be written.
    """
    load_task(task_id)
    if not is_custom(task_id):
        raise InputError(f"The rubric of {task_id} comes with the app; make a task of your own to change it.")
    path = custom_folder() / f"{task_id}.toml"
    said, rubric = read_toml(path), _lines(lines)
    before, after = _listed(said["rubric"]), _listed(rubric)
    wanted = {**said, "rubric": rubric}
    text: str | None = toml_edit.with_list(text_of(task_id), ("rubric",), rubric)
    if before in said["generation"]["system"]:
        wanted["generation"] = {**said["generation"], "system": said["generation"]["system"].replace(before, after)}
        text = text and toml_edit.with_part(text, ("generation", "system"), before, after)
    if text is None or not _says(text, wanted):
        raise InputError(f"The file of the task {task_id} is written in a way of its own; change the rubric in {path}.")
    _write(task_id, text)
    return load_task(task_id)


def text_of(task_id: str) -> str:
    """The file of a task of one's own, with its line ends as they are.

    Raises:
        InputError: it cannot be read.
    """
    path = custom_folder() / f"{task_id}.toml"
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The task file {path} cannot be read: {error}.") from error


def put_back(task_id: str, text: str) -> Path:
    """Write the file of a task that is gone from a copy of its text; returns where it lies.

    Raises:
        InputError: there is such a task, or the copy has a fault.
        StoreError: the file cannot be written.
    """
    path = custom_folder() / f"{task_id}.toml"
    if task_id != task_id_of(task_id) or not is_custom(task_id) or path.exists():
        if fault := next((each for each in faults() if str(path) in each), None):
            raise InputError(f"{fault} Mend it, or move it away and bring the copy back then; it is not overwritten.")
        raise InputError(f"The task {task_id[:60]!r} needs no copy: its file is there.")
    try:
        said = tomllib.loads(text)
    except ValueError as error:
        raise InputError(f"The copy of the task {task_id} is no TOML: {error}.") from error
    parse(task_id, said, shared(), f"The copy of the task {task_id}")
    _write(task_id, text)
    return path


def _said(new: NewTask) -> tuple[str, dict[str, Any]]:
    """Id and file of a task, checked."""
    taken = {*task_ids(), *(path.stem for path in custom_folder().glob("*.toml"))}
    task_id = task_id_of(new.name) if new.name.strip() else id_of_title(new.title, taken)
    if task_id in taken:
        raise InputError(f"There is a task {task_id} already; choose another name.")
    forms = read_toml(_FORMATS)
    if new.format not in forms:
        raise InputError(f"There is no form of samples {new.format[:40]!r}; choose one of {', '.join(forms)}.")
    form = forms[new.format]
    title = _line(new.title or new.name, "The task's title")
    description = _line(new.description, "The task's description")
    rubric = _lines(new.rubric)
    generation = form["generation"]
    by_label = form["relevance"] == "label"
    said = {
        "title": title,
        "description": description,
        **{name: form[name] for name in ("sample_word", "sample_words", "metric", "relevance", "content", "roles")},
        **({"contrast": form["contrast"]} if "contrast" in form else {}),
        "sensitive": new.sensitive,
        "rubric": rubric,
        "fields": form["fields"],
        **({"labels": _labels(new)} if by_label else {}),
        "generation": {
            "heading": f"{str(form['sample_words']).capitalize()} about: {title}",
            "item": generation["item"],
            "fields": generation["fields"],
            "max_tokens": generation["max_tokens"],
            **({"label": _labels(new)["positive"][0]} if by_label else {}),
            "system": _system(form, title, description, rubric),
            **_steps(str(form["sample_words"])),
        },
    }
    parse(task_id, said, shared(), "The new task")
    return task_id, said


def _system(form: Mapping[str, Any], title: str, description: str, rubric: Sequence[str]) -> str:
    return (
        f"You write {form['sample_words']} for a data set called {json.dumps(title, ensure_ascii=False)}: "
        f"{description}\nIt is about whatever meets one of these criteria:\n{_listed(rubric)}\n"
        f"{form['generation']['rules']}"
    )


def _listed(rubric: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in rubric)


def _steps(words: str) -> dict[str, str]:
    return {
        "step1": f"A pattern found in {words}: {{feature}}\n{_SHOWN}\n\nWrite {{n}} new {words} that show the same "
        "pattern. Vary topic and tone; copy none of the texts above.",
        "step2": f"A pattern found in {words}: {{feature}}\nThis text shows it clearly:\n{{good}}\nThis text misses it:"
        f"\n{{bad}}\n\nWrite {{n}} new {words} that show the pattern as clearly as the first text and avoid what makes "
        "the second miss it. Copy neither text.",
    }


def _labels(new: NewTask) -> dict[str, list[str]]:
    column = one_line(new.label_column, "The label's column")
    if not column:
        raise InputError("Name the column that holds the label; relevance of this form goes by it.")
    positive, negative = _words(new.positive), _words(new.negative)
    if not positive:
        raise InputError("Name at least one label of samples that show what the task is about.")
    if both := sorted(set(positive) & set(negative)):
        raise InputError(f"The label {both[0]!r} cannot say both that a sample shows the task and that it does not.")
    return {"aliases": list(dict.fromkeys([column, *_LABEL_ALIASES])), "positive": positive, "negative": negative}


def _words(words: Sequence[str]) -> list[str]:
    """Labels as they are compared: without case, each once."""
    found = list(dict.fromkeys(filter(None, (one_line(word, "A label").casefold() for word in words))))
    if long := next((word for word in found if len(word) > MAX_WORD), None):
        raise InputError(f"The label {long[:MAX_WORD]!r} is longer than {MAX_WORD} characters.")
    if len(found) > MAX_WORDS:
        raise InputError(f"A task has at most {MAX_WORDS} labels of a kind, and there are {len(found)}.")
    return found


def _lines(lines: Sequence[str]) -> list[str]:
    found = [_line(line, "A line of the rubric") for line in lines if line.strip()]
    if not found:
        raise InputError("The rubric needs at least one line: what makes a feature belong to the task?")
    if len(found) > MAX_LINES:
        raise InputError(f"A rubric has at most {MAX_LINES} lines, and this one has {len(found)}.")
    return found


def _line(text: str, what: str) -> str:
    line = one_line(text, what)
    if not line:
        raise InputError(f"{what} is empty.")
    if len(line) > MAX_LINE:
        raise InputError(f"{what} has at most {MAX_LINE} characters, and this one has {len(line)}.")
    return line


def _write(task_id: str, text: str) -> None:
    """Write a file whole or not at all."""
    folder = custom_folder()
    half = folder / f".{task_id}-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        half.write_bytes(text.encode())
        half.replace(folder / f"{task_id}.toml")
    except OSError as error:
        raise StoreError(f"The task cannot be written to {folder}: {error.strerror or error}.") from error
    finally:
        half.unlink(missing_ok=True)


def _says(text: str, wanted: Mapping[str, Any]) -> bool:
    """Whether a changed file says what it is to say and nothing else."""
    try:
        return tomllib.loads(text) == wanted
    except ValueError:
        return False


def to_toml(said: Mapping[str, Any], under: str = "") -> str:
    """Strings, numbers, booleans, lists of strings and tables of these as TOML."""
    plain = [f"{_key(key)} = {_value(value)}" for key, value in said.items() if not isinstance(value, Mapping)]
    parts = ["\n".join(plain)] if plain else []
    for key, value in said.items():
        if isinstance(value, Mapping):
            name = f"{under}{_key(key)}"
            parts.append(f"[{name}]\n{to_toml(value, f'{name}.')}")
    return "\n\n".join(parts) + ("" if under else "\n")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def _value(value: Any) -> str:
    # as strings do, a JSON number, boolean or list of strings reads the same in TOML
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
