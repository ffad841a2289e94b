"""What is wrong with an explanation's wording is found without asking anyone, and each finding says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from fac_core.features.alike import Sayings
from fac_core.features.asked.spans import CLOSE, OPEN
from fac_core.features.keywords import SEPARATOR, UNCLEAR
from fac_core.features.purity import Purity
from fac_core.features.words import is_light, stem, words_of

MAX_WORDS = 40
MAX_CHARS = 240
MAX_LISTED = 6
"""Things joined by commas from which an explanation is a list."""
_PROMPT = re.compile(
    r"\b(?:as an ai|language model|neuron|sparse autoencoder|(?:the|these|all) (?:(?:given|provided|above|following) "
    r"(?:texts?|examples?|excerpts?|tokens?|documents?)|passages?)|marked (?:tokens?|words?)|"
    r"activat(?:es?|ing|ions?) (?:on|values?|strongly)|json|your task|explanation:|\[explanation\]|here is|"
    r"based on the)\b",
    re.IGNORECASE,
)
_EXAMPLES = re.compile(r"\b(?:examples?|texts?|excerpts?|documents?|samples?|passages?)\s*#?\s*\d+\b", re.IGNORECASE)
_MARKS = re.compile(rf"[{OPEN}{CLOSE}]|<<|>>|\{{\{{|\}}\}}|\[\[|\]\]|```|</?[a-z]+>|\*\*", re.IGNORECASE)
_CANNOT = re.compile(
    r"\b(?:cannot tell|can't tell|cannot determine|unclear|unknown|no (?:clear|common|single) (?:pattern|theme)|"
    r"various (?:topics|things|contexts)|not enough)\b",
    re.IGNORECASE,
)


class Finding(NamedTuple):
    """One thing that is wrong."""

    code: str
    """prompt, example, marks, list, cannot tell, long, duplicate or token."""
    sentence: str


def lint(
    text: str, *, of: int | None = None, known: Sayings | None = None, purity: Purity | None = None
) -> list[Finding]:
    """Findings about an explanation `of` a feature, none if it reads well.

    `known` is what features are called, `purity` what the feature's peaks are.
    """
    said = text.removesuffix(UNCLEAR).strip()
    keywords = SEPARATOR.strip() in text or text.endswith(UNCLEAR)
    found = []
    if _CANNOT.search(text):
        found.append(Finding("cannot tell", "It says that nothing could be told; read the examples, or leave it open."))
    if match := _PROMPT.search(said):
        found.append(
            Finding("prompt", f"“{match[0]}” speaks of the question, not of the feature; say what the texts share.")
        )
    if match := _EXAMPLES.search(said):
        found.append(Finding("example", f"“{match[0]}” points at an example nobody sees here; say what is in it."))
    if match := _MARKS.search(said):
        found.append(Finding("marks", f"“{match[0]}” is a mark of the examples' format; write plain words."))
    if len(said) > MAX_CHARS or len([word for word in words_of(said) if word.is_word]) > MAX_WORDS:
        found.append(Finding("long", f"It is longer than {MAX_WORDS} words; say the one thing the texts share."))
    if not keywords and (n := _listed(said)) >= MAX_LISTED:
        found.append(Finding("list", f"It lists {n} things without saying what they share; name that."))
    if known is not None and (other := known.same_as(said, of)) is not None:
        found.append(Finding("duplicate", f"Feature {other} is said to be the same; say in what they differ."))
    if purity is not None and purity.is_single_token and _misses(said, purity.token):
        found.append(
            Finding("token", f"{purity.share:.0%} of the peaks are “{purity.token}”, which it does not mention.")
        )
    return found


def _listed(text: str) -> int:
    """Pieces of one to three words between commas, if nearly all of the text is such pieces."""
    pieces = [piece.split() for piece in re.split(r"[,;/·]|\band\b|\bor\b", text)]
    pieces = [piece for piece in pieces if piece]
    short = [piece for piece in pieces if len(piece) <= 3]
    return len(short) if len(short) >= 0.8 * len(pieces) else 0


def _misses(text: str, token: str) -> bool:
    """Whether neither the token nor a word that holds it is in the text; a mark or a word of no content may be told."""
    if not token.isalpha() or is_light(token):
        return False
    return not _holds((word.key for word in words_of(text)), token)


def _holds(keys: Iterable[str], token: str) -> bool:
    return any(token in key or stem(key) == stem(token) for key in keys)
