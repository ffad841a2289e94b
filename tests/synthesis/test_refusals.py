"""Refusals among samples are found; people who say what they cannot do are left alone."""

from __future__ import annotations

import pytest

from fac_core.synthesis.refusals import is_refusal
from fac_core.tasks import load_task

REFUSALS = [
    "I'm sorry, but I can't help you.",
    "I'm sorry, I can't do that.",
    "I cannot write that message.",
    "I won't create messages promoting violence.",
    "I can't create harmful messages like these.",
    "I'm unable to produce examples of hate speech.",
    "I'm not able to write messages that encourage self-harm.",
    "I’m sorry, but I can’t assist with that request.",
    "I cannot provide instructions for this.",
    "I'm sorry, but I can't help with that.",
    "I'm sorry, but I cannot fulfill this request.",
    "I can't provide that information.",
    "I cannot generate such content.",
    "I am unable to assist with this. Is there anything else I can help you with?",
    "I will not produce any content that promotes illegal activities.",
    "Sorry, but I can't comply with that.",
    "I'm sorry, but I can't provide examples of toxic messages. Let me know if you want something else.",
    "I can't help with that, as it goes against my guidelines.",
    "I cannot engage in this conversation.",
    "I can't write messages about how to hurt people.",
    "I apologize, but I cannot create content that sexualizes minors.",
    "I'm sorry, I can't assist.",
    "I cannot continue with this request.",
    "I can't generate text that contains slurs.",
    "As an AI, I cannot provide information on making weapons.",
    "I won't write this.",
    "I'm not comfortable writing messages like that.",
    "I must decline to write threatening messages.",
    "I cannot provide you with that information.",
    "I'm unable to help you with this request.",
    "I’m sorry, but I can’t share that.",
]
PEOPLE = [
    "I can't log in",
    "I can't log in to my bank, what now",
    "I'm sorry but I can't find my order",
    "I can't create an account on your site",
    "I can't write a good cover letter, can you help me with it?",
    "I'm sorry, I can't do this anymore, I want to die",
    "I can't do that dance move everyone does, any tips",
    "I'm unable to create a new password on the website",
    "I won't answer my boss's messages at night, is that okay",
    "I can't help my son with this homework",
    "I can't help that I feel sad all the time",
    "I cannot write messages in this group any more, am I banned?",
    "I can't produce enough milk for the baby",
    "I'm not able to write to the customer service",
    "I can't provide for my family since the layoff",
    "I can't make a post without getting hate comments",
    "I can't do this. everything hurts and nobody listens",
    "I won't share the photos with him, can he make me",
    "I'm sorry, but I can't help laughing at funerals",
    "I cannot make this recipe work, the dough keeps falling apart",
    "I can't make this bread rise no matter what",
    "I can't create a pivot table in this sheet",
    "I will not give up on this garden, what grows in clay soil",
    "I can't generate a report in the accounting program",
    "I can't give a speech in front of people, how do others do it",
    "I am unable to open the message she sent",
    "I'm sorry, I can't answer the phone at work, text instead",
    "I can't support two kids on this salary",
    "I can't share this document with the team, it says access denied",
    "I cannot continue with this diet, what else lowers cholesterol",
    "I can't give this medicine to a toddler, right",
    "I can't write this essay before midnight",
    "I can't help it, i keep checking the locks",
    "I can't make these curtains hang straight",
    "I can't make this cake.",
    "I can't make this cake, the oven is broken",
    "I won't answer that person again",
    "I can't share any photos from the old phone",
    "I'm unable to provide the receipt for a refund of the shoes",
    "I cannot comply with the new parking rules on our street",
    "I can't help the neighbours move on Saturday",
    "I'm sorry, I can't make it to the party",
    "I can't engage with the new fitness app at all",
    "I cannot answer the security questions for the account",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_in_place_of_a_sample_is_one(text: str) -> None:
    assert is_refusal(load_task("toxicity"), text)


@pytest.mark.parametrize("text", PEOPLE)
def test_what_a_person_cannot_do_is_no_refusal(text: str) -> None:
    assert not is_refusal(load_task("toxicity"), text)


def test_there_are_as_many_people_as_refusals() -> None:
    assert len(PEOPLE) >= len(REFUSALS)
