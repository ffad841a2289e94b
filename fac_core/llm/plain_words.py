"""Plain words are read only where a person would read them one way: one choice, said once, apart from other words.

Small models answer without the object that was asked for: "**Answer: Maybe**", a line "Rating: no" under a paragraph, a
numbered list of yes and no. A word inside a sentence is none of these ("No passage says yes"), two choices are none, a
choice that the next sentence takes back is none, and a list with a number missing is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

MOST_SENTENCE = 400
"""Characters of a reply that is one plain sentence."""
MOST_READ = 4_000
"""Characters of a reply in which choices are sought, so that a hostile one costs no time."""
_LABELS = ("answer", "response", "result", "decision")
_MARKS = r"[\s*_`#>\"'“”‘’()\[\]-]*"
"""What may stand around a word without saying anything."""
_ENDS = r"[*_`\"'“”‘’)\]]*\s*"
"""What may close a word."""
_TAKEN_BACK = re.compile(
    r"[\s*_.,;:!–—-]*(?:(?:but )?(?:wait|actually|on second thoughts?|correction|scratch that)\b"
    r"|(?:but )?please (?:provide|share|send|paste)\b|(?:i'?m |i am )?(?:really |very |so )?sorry\b"
    r"|i (?:can ?no|can'|won'|will no)t (?:help|assist|comply|answer|continue|do (?:that|this))\b"
    r"|as an? (?:ai|language model)\b)",
    re.IGNORECASE,
)
"""What after a choice says that it is none: a second thought, a refusal or a request."""
_NUMBER = re.compile(r"no\. ?\d", re.IGNORECASE)
"""A number, as in "No. 5"."""


def readings(said: str, schema: dict[str, Any], *, whole: bool) -> Iterator[dict[str, Any]]:
    """What a reply without an object says, as values of an object of the schema; they are still to be checked."""
    if "{" in said or not said:
        return
    required = schema.get("required", [])
    if whole and len(required) == 1 and len(said) <= MOST_SENTENCE and not re.search(r"[}\[\]\n]", said):
        yield {required[0]: said.strip('"').strip()}
    if len(said) > MOST_READ:
        return
    if (name := choice_of(schema)) is not None:
        found = _choice(said, name, _words(schema, name), whole=whole)
        if found is not None:
            texts = texts_of(schema)
            yield {name: found[0], **({texts[0]: found[1]} if len(texts) == 1 else {})}
    elif numbers := _numbers(schema):
        words = _words(schema, "1")
        if (told := _numbered_lines(said, numbers, words, whole=whole)) is not None:
            yield told
        elif len(numbers) == 1 and (only := _choice(said, "1", words, whole=whole)) is not None:
            yield {"1": only[0]}


def choice_of(schema: dict[str, Any]) -> str | None:
    """The only property that is one of several words, where all others are texts; None where there is no such."""
    choices = [name for name, of in schema.get("properties", {}).items() if "enum" in of]
    alone = len(choices) == 1 and len(choices) + len(texts_of(schema)) == len(schema["properties"])
    return choices[0] if alone and choices[0] != "1" else None


def texts_of(schema: dict[str, Any]) -> list[str]:
    """Properties that are free text."""
    properties = schema.get("properties", {}).items()
    return [name for name, of in properties if of.get("type") == "string" and of.keys() == {"type"}]


def numbered(values: Sequence[Any], schema: dict[str, Any]) -> dict[str, Any] | None:
    """A list as the object whose names are 1, 2, …: its values in order, or small objects of one number each."""
    numbers = _numbers(schema)
    if not numbers:
        return None
    if all(isinstance(value, dict) and len(value) == 1 for value in values):
        names = [str(name).strip() for value in values for name in value]
        merged = {str(name).strip(): item for value in values for name, item in value.items()}
        return merged if len(names) == len(merged) else None
    if len(values) == len(numbers) and all(isinstance(value, str | bool) for value in values):
        return dict(zip(numbers, values, strict=True))
    return None


def _numbers(schema: dict[str, Any]) -> list[str]:
    """Names of an object whose names are 1, 2, … and whose values are choices; else none."""
    properties = schema.get("properties", {})
    names = [str(number) for number in range(1, len(properties) + 1)]
    return names if list(properties) == names and all("enum" in of for of in properties.values()) else []


def _words(schema: dict[str, Any], name: str) -> list[str]:
    return [str(word) for word in schema["properties"][name]["enum"]]


def _choice(said: str, name: str, words: Sequence[str], *, whole: bool) -> tuple[str, str] | None:
    """The one choice that a reply makes, at its beginning or where it is said to be the choice; and the rest."""
    word = "|".join(map(re.escape, words))
    label = "|".join(re.escape(each) for each in (name, *_LABELS))
    labelled = rf"(?:(?:the|my)\s+)?(?:final\s+)?(?:{label}){_MARKS}(?:is\b|:|=){_MARKS}"
    # a sentence of its own, the first or one that is labelled
    alone = re.compile(rf"(?:\A|(?<=[.!?\n])){_MARKS}({labelled})?({word}){_ENDS}(?:[.!;:]+|(?=\n)|\Z)", re.IGNORECASE)
    everywhere = list(alone.finditer(said))
    if len({match[2].casefold() for match in everywhere}) != 1:
        return None
    found = [match for match in everywhere if match[1] or match.start() == 0]
    if not whole:  # what touches the end may have been going on
        found = [match for match in found if said[match.end(2) :].strip("*_`\"'“”‘’)]")]
    if not found or _NUMBER.match(said, found[0].start(2)):
        return None
    if _TAKEN_BACK.match(said[found[0].end() :].replace("’", "'")):
        return None
    rest = said[: found[0].start()] + " " + said[found[0].end() :]
    rest = re.sub(rf"^{_MARKS}[.,;:!–—-]*\s*", "", rest)
    rest = re.sub(r"^(?:analysis|reason)\W*?:\s*", "", rest.strip(), flags=re.IGNORECASE)
    return found[0][2].casefold(), " ".join(rest.split())


def _numbered_lines(said: str, numbers: Sequence[str], words: Sequence[str], *, whole: bool) -> dict[str, Any] | None:
    """A choice for each number, each said once: "1. yes", "2: no", "Text 3 - yes", on lines or in a row."""
    word = "|".join(map(re.escape, words))
    pattern = rf"(?<![\w.])(\d{{1,3}}){_MARKS}[.):=–—-]{_MARKS}({word}){_ENDS}(?=[.,;!\n]|\Z)"
    found = [(match[1], match[2].casefold()) for match in re.finditer(pattern, said, re.IGNORECASE)]
    told = dict(found)
    if len(found) != len(numbers) or set(told) != set(numbers):
        return None
    return told if whole or not re.search(rf"({word})\W*$", said, re.IGNORECASE) else None
