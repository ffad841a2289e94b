"""An answer counts only if it fits the schema that was asked for, checked here whatever the server promised.

What is mended is how it is written down, never what it says: a remark around it, the case of a name or of a word that
must be one of several, half a character, a number in quotes, a key that nobody asked for, a list without its object, or
plain words in the place of the object (`plain_words`). Nothing is completed and no value is chosen.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from fac_core.llm import plain_words
from fac_core.llm.json_reply import python_objects_in, values_in, without_thoughts
from fac_core.llm.quoting import whole as whole_text

MAX_NESTED = 50
"""Values inside a value that are tried, so that a hostile reply costs no time."""
_REFUSED = re.compile(
    r"(?:i'?m |i am )?(?:really |very |so )?sorry\b|i (?:can ?no|can'|won'|will no|do no|don')t\b"
    r"|i(?:'m| am) (?:not able|unable)\b|as an? (?:ai|language model)\b"
)


def fitting(reply: str, schema: dict[str, Any], *, whole: bool = True) -> dict[str, Any] | None:
    """The first object in a reply that fits the schema of an object, else what its plain words say, else None.

    `whole` is off for a reply that was cut at its token limit: its last words may be half of what they were to be.
    """
    for value in values_in(reply):
        for candidate in _inside(value, schema):
            if (fitted := _valid(candidate, schema)) is not None:
                return fitted
    for value in python_objects_in(reply):
        if (fitted := _valid(value, schema)) is not None:
            return fitted
    said = without_thoughts(reply).strip()
    if refuses(said):
        return None
    return next(
        (fitted for words in plain_words.readings(said, schema, whole=whole) if (fitted := _valid(words, schema))), None
    )


def _valid(candidate: Any, schema: dict[str, Any]) -> dict[str, Any] | None:
    """A candidate as the schema writes it, if it fits."""
    fitted = _fitted(candidate, schema)
    fits = isinstance(fitted, dict) and _validator(json.dumps(schema, sort_keys=True)).is_valid(fitted)
    return fitted if fits else None


def refuses(reply: str) -> bool:
    """Whether a reply that fits no schema opens as a refusal."""
    return _REFUSED.match(" ".join(reply.replace("’", "'").casefold().split())) is not None


def _inside(value: Any, schema: dict[str, Any]) -> list[Any]:
    """A value and what it wraps; a list stands for an object of one list, or for one whose names are numbers."""
    found: list[Any] = [value]
    for one in found:
        if len(found) > MAX_NESTED:
            break
        if isinstance(one, dict | list):
            found += list(one.values() if isinstance(one, dict) else one)
    properties = schema.get("properties", {})
    if isinstance(value, list) and len(properties) == 1:
        (name, of) = next(iter(properties.items()))
        if of.get("type") == "array":
            found.insert(0, {name: value})
    if isinstance(value, list) and value and (numbered := plain_words.numbered(value, schema)) is not None:
        found.insert(0, numbered)
    return found


def _fitted(value: Any, schema: dict[str, Any]) -> Any:
    """A value written as the schema writes it, as far as that says the same."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if isinstance(value, dict) and "properties" in schema:
        known = {str(name).strip().casefold(): name for name in schema["properties"]}
        named = {known.get(str(name).strip().casefold(), name): item for name, item in value.items()}
        closed = schema.get("additionalProperties") is False
        if plain_words.choice_of(schema) in named:  # the choice is what was asked for; the words beside it may be none
            named = {
                **{name: "" for name in plain_words.texts_of(schema) if name in schema.get("required", [])},
                **named,
            }
        return {
            name: _fitted(item, schema["properties"].get(name, {}))
            for name, item in named.items()
            if name in schema["properties"] or not closed
        }
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [_fitted(item, schema["items"]) for item in value]
    if isinstance(value, str):
        return _fitted_text(value, schema, kinds)
    if isinstance(value, bool) and set(schema.get("enum", ())) == {"yes", "no"}:
        return "yes" if value else "no"
    if isinstance(value, float) and "integer" in kinds and value.is_integer():
        return int(value)
    return value


def _fitted_text(value: str, schema: dict[str, Any], kinds: list[str]) -> Any:
    if "enum" in schema:
        said = value.strip().strip("*_`'\"").rstrip(".").casefold()
        return next((each for each in schema["enum"] if str(each).casefold() == said), value)
    if "string" in kinds or not kinds:
        return whole_text(value)
    if "boolean" in kinds and value.strip().casefold() in {"true", "false"}:
        return value.strip().casefold() == "true"
    if {"integer", "number"} & set(kinds) and re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", value.strip()):
        number = float(value)
        return int(number) if number.is_integer() and "integer" in kinds else number
    return value


@lru_cache(maxsize=32)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema))
