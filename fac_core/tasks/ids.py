"""A task's id names a file on every system, whatever script the task's own name is written in.

What of a name can be written with a–z and digits is kept; of a name in another script a digest stands for it.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Container

from fac_core.errors import InputError
from fac_core.human import one_line

MAX_NAME = 40


def task_id_of(name: str) -> str:
    """The id that a name becomes: small letters, digits and underscores, beginning with a letter; an id becomes itself.

    Raises:
        InputError: the name is empty, too long, or holds characters that cannot be read.
    """
    line = one_line(name, "The task's name")
    if not line:
        raise InputError("A task needs a name.")
    if len(line) > MAX_NAME:
        raise InputError(f"A task's name has at most {MAX_NAME} characters, and this one has {len(line)}.")
    return _id_of(line)


def id_of_title(title: str, taken: Container[str]) -> str:
    """The id of a task that has a title only: like that of a name, as long as one can be, and none of those taken.

    Raises:
        InputError: the title is empty, or holds characters that cannot be read.
    """
    line = one_line(title, "The task's title")
    if not line:
        raise InputError("A task needs a title, or a name.")
    wanted = task_id = _id_of(line)[:MAX_NAME].strip("_")
    number = 1
    while task_id in taken:
        number += 1
        task_id = f"{wanted[: MAX_NAME - 5].strip('_')}_{number}"
    return task_id


def _id_of(line: str) -> str:
    plain = unicodedata.normalize("NFKD", line).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    if plain and plain[0].isalpha():
        return plain
    if plain and line.isascii():
        return f"task_{plain}"
    return f"task_{hashlib.sha256(line.encode()).hexdigest()[:8]}"
