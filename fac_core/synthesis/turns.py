"""A chat model is shown texts where it reads them: as user turns, one after the other, of which it writes the next.

That is also where the extractor reads candidates, so a direction that steers here means the same there. Texts enter as
plain characters: none can end its own turn. Items of several fields are no user turn (a model ends it after the first
field), so they stand in a list that is continued; so does everything for a model without a chat template.
"""

from __future__ import annotations

from typing import Any

from fac_core.content import ASSISTANT, USER
from fac_core.errors import ModelError
from fac_core.feature_space.backbone import Backbone
from fac_core.feature_space.templates import Template
from fac_core.synthesis.generator import Prompt
from fac_core.synthesis.items import is_line, markers, split_item
from fac_core.synthesis.sampling import Section


def prompt_ids(backbone: Backbone, prompt: Prompt) -> list[int]:
    """Tokens of a prompt, ending where the next item begins."""
    between = between_turns(backbone.tokenizer) if is_line(prompt.item_template) else None
    if between is None:
        return _plain(backbone.tokenizer, as_list(prompt))
    ids = list(backbone.prefix_ids)
    for item in prompt.items:
        ids += _plain(backbone.tokenizer, item) + _template(backbone.tokenizer, between)
    return ids


def between_turns(tokenizer: Any) -> str | None:
    """What the chat template puts between the end of one turn and the next text of the user.

    None without a template, or with one that takes no second turn.
    """
    if not getattr(tokenizer, "chat_template", None):
        return None
    try:
        return Template(tokenizer).around((USER, ASSISTANT, USER))[2]
    except ModelError:
        return None


def as_list(prompt: Prompt) -> str:
    """A prompt as a list under its heading, ending where the next item begins."""
    if is_line(prompt.item_template):
        lines = [f"{number}. {item}" for number, item in enumerate(prompt.items, start=1)]
        return "\n".join([prompt.heading, "", *lines, f"{len(lines) + 1}."])
    return "\n\n".join([prompt.heading, *prompt.items, markers(prompt.item_template)[0]])


def sections_of(tokenizer: Any, prompt: Prompt) -> list[Section]:
    """The fields of an item, so that a model too small to keep to the form need not; none if an item is a bare line.

    A field may hold as many line breaks as it does in any of the prompt's items.
    """
    found = markers(prompt.item_template)
    if is_line(prompt.item_template):
        return []
    breaks = [0] * len(found)
    for item in prompt.items:
        for number, text in enumerate(split_item(prompt.item_template, item)):
            breaks[number] = max(breaks[number], text.strip().count("\n"))
    leads = ["", *(f"\n{marker}" for marker in found[1:])]
    return [Section(tuple(_plain(tokenizer, lead)), n) for lead, n in zip(leads, breaks, strict=True)]


def word_tokens(tokenizer: Any, word: str) -> frozenset[int]:
    """First tokens of a word as it is and capitalised, within a text and at its start.

    A word whose first token is a short piece has none: that piece begins many other words too.
    """
    found = set()
    for form in {word, word.lower(), word.capitalize()} - {""}:
        for lead in (" ", ""):
            ids = _plain(tokenizer, lead + form)
            if ids and (len(ids) == 1 or len(str(tokenizer.decode(ids[:1])).strip()) >= 3):
                found.add(ids[0])
    return frozenset(found)


def _plain(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"])


def _template(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
