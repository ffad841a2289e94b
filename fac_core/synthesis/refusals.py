"""A refusal is a text that opens as one and declines to write or to help; a person's own "I can't log in" is none.

Asked for messages that a person might send, a model sometimes puts its refusal where a message should stand. People say
that they cannot do things too, but about matters of their own ("my order", "my son") or with a question, and what they
cannot write or make is not the thing that was asked for.
"""

from __future__ import annotations

import re

from fac_core.tasks import Task

LOOK_AT = 240
"""Characters of a text in which a refusal says what it declines."""

_THINGS = (
    r"(?:messages?|texts?|content|examples?|samples?|posts?|comments?|requests?|instructions?|information|material|"
    r"prompts?|quer(?:y|ies)|statements?|responses?|answers?|questions?|phrases?|sentences?|language|speech|jokes?|"
    r"conversations?|scenarios?|items?)"
)
_HARM = (
    r"(?:harm\w*|self-harm|hat(?:e|eful|red)|violen\w+|abus\w+|illegal\w*|unlawful|discriminat\w+|racis\w+|sexis\w+|"
    r"threat\w*|bully\w*|harass\w*|terroris\w+|extremis\w+|weapons?|explosives?|drugs?|explicit\w*|sexual\w*|"
    r"offensive\w*|derogatory|insult\w*|toxic|dangerous|exploit\w*|slurs?|malicious|unethical|unsafe|inappropriate|"
    r"suicid\w+|crim(?:e|es|inal)|fraud\w*|scams?|bigot\w*|demean\w*|hurt\w*|kill\w*)"
)
_WRITE = (
    r"(?:writ(?:e|ing)|creat(?:e|ing)|generat(?:e|ing)|produc(?:e|ing)|provid(?:e|ing)|mak(?:e|ing)|compos(?:e|ing)|"
    r"draft(?:ing)?|offer(?:ing)?|shar(?:e|ing)|giv(?:e|ing)|support(?:ing)?|fulfil\w*|answer(?:ing)?)"
)
_ABOUT = (
    r"(?:promot\w+|encourag\w+|incit\w+|glorif\w+|depict\w+|contain\w*|involv\w+|about|of|on|that|which|for|with|like|"
    r"related to|intended to|designed to)"
)
_END = r"(?=\s*(?:[.!,;:]|$|\blike\b|\bfor you\b|\bbecause\b|\bas (?:it|they|this|that)\b))"
_DECLINES = re.compile(
    "|".join(
        (
            r"\b(?:help|assist)(?: you)?(?: (?:with|in) (?:that|this|these|those|such|your request)\b|" + _END + ")",
            rf"\b(?:comply|engage|continue|proceed)\b.{{0,20}}\b(?:with|in) (?:that|this|these|those|such|your)"
            rf"(?: {_THINGS})?{_END}",
            rf"\b{_WRITE} (?:you )?(?:with )?(?:that|this|these|those|such|any)(?:(?: \w+)? {_THINGS})?{_END}",
            rf"\b{_WRITE} (?:\w+ ){{0,3}}{_THINGS} like (?:that|this|these|those)\b",
            rf"\b{_WRITE} (?:you )?(?:(?:with )?(?:such|any|the requested)\b.{{0,20}} {_THINGS}\b)",
            rf"\b{_WRITE} (?:\w+ ){{0,3}}{_HARM} (?:\w+ ){{0,3}}{_THINGS}\b",
            rf"\b{_WRITE}\b.{{0,30}} {_THINGS} {_ABOUT}\b.{{0,60}}\b{_HARM}\b",
            rf"\b{_WRITE}\b.{{0,30}} (?:instructions|information|content) (?:for|on|about) (?:this|that|these)\b",
            r"\bdo (?:that|this)[.!]?$",
        )
    )
)
_OWN = re.compile(
    r"\b(?:me|mine|our|ours|us|myself)\b"
    r"|\bmy\b(?! (?:guidelines|programming|polic|purpose|principles|values|training|instructions))"
)
_OFFER = re.compile(
    r"(?:\b(?:is there|can i|may i|could i|would you|how (?:can|may|about)|what else|do you (?:want|have)|if you|"
    r"let me|please let me|feel free)\b[^.!?]*[.!?]?\s*)+$"
)


def refused(task: Task, text: str) -> bool:
    """Whether a whole reply opens as a refusal."""
    return _plain(text).startswith(task.refusal_markers)


def is_refusal(task: Task, text: str) -> bool:
    """Whether one sample is in truth a refusal."""
    if not refused(task, text):
        return False
    said = _OFFER.sub("", _plain(text)[:LOOK_AT]).strip()
    return "?" not in said and _OWN.search(said) is None and _DECLINES.search(said) is not None


def _plain(text: str) -> str:
    return " ".join(text.replace("’", "'").casefold().split())
