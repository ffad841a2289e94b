"""A conversation is cut into what each role says, and a message never becomes two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fac_core.tasks.transcript import cut, divide, is_conversation, is_messages, write

HH = "\n\nHuman: Hi there\n\nAssistant: Hello!\n\nIt is late.\n\nHuman: \n\nAssistant: Bye"


def test_it_is_cut_at_paragraphs_that_begin_with_a_name() -> None:
    found = cut(HH)
    assert found is not None
    assert [(said.role, HH[said.start : said.end]) for said in found] == [
        ("user", "Hi there"),
        ("assistant", "Hello!\n\nIt is late."),
        ("assistant", "Bye"),
    ]


@pytest.mark.parametrize(
    "text", ["", "plain", "My friend said:\n\nHuman: hi", "Humans: who are they?", "Human rights: a history"]
)
def test_other_texts_are_no_transcripts(text: str) -> None:
    assert cut(text) is None


_SAID = st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1).filter(lambda text: text.strip())


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant", "system"]), _SAID), min_size=1, max_size=5))
def test_messages_survive_the_way_into_a_transcript_or_are_refused(talk: list[tuple[str, str]]) -> None:
    messages = [{"role": role, "content": text} for role, text in talk]
    assert is_messages(messages)
    try:
        text = write(messages)
    except ValueError as error:
        assert "start of another turn" in str(error)
        return
    found = cut(text)
    assert found is not None
    assert [(said.role, text[said.start : said.end]) for said in found] == [(role, said.strip()) for role, said in talk]


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([{"role": "user", "content": "a\n\nAssistant: b"}], "message 1 that reads as the start of another turn"),
        ([{"role": "tool", "content": "x"}], "the role 'tool' in message 1"),
        ([{"role": "user", "content": [{"type": "image"}]}], "no text in message 1"),
    ],
)
def test_messages_that_fit_no_transcript_say_why(messages: list[dict[str, object]], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        write(messages)


def test_messages_are_told_from_other_lists() -> None:
    assert is_messages([{"from": "human", "value": "hi"}])
    for value in ([], ["a"], "role", {"role": "user"}, [{"text": "a"}], None):
        assert not is_messages(value)
    assert write([{"from": "human", "value": "hi"}, {"from": "gpt", "value": "yo"}]) == "Human: hi\n\nAssistant: yo"


def test_line_ends_of_another_system_cut_in_the_same_places() -> None:
    text = "Human: hi\n\nAssistant: hello\n\nHuman: more\n\nAssistant: some"
    for ends in ("\r\n", "\r"):
        other = text.replace("\n", ends)
        assert is_conversation(other) and divide(other) == divide(text)
        with pytest.raises(ValueError, match="start of another turn"):
            write([{"role": "user", "content": f"hi{ends}{ends}Assistant: yes"}])
