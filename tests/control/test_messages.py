"""The two lines of a conversation."""

import json

import pytest

from ginnel.control import messages
from ginnel.control.messages import encode_answer, encode_error, encode_question, read_answer, read_question
from ginnel.errors import ControlError, StateError


def test_a_question_is_one_line() -> None:
    line = encode_question("stats", why="a\nb")
    assert line.count(b"\n") == 1
    assert read_question(line) == {"ask": "stats", "why": "a\nb"}


@pytest.mark.parametrize("answer", [None, 0, [], {"a": [1, 2.5, "ü\n"]}, "text"])
def test_an_answer_arrives_as_it_was(answer: object) -> None:
    line = encode_answer(answer)
    assert line.count(b"\n") == 1
    assert read_answer(line) == answer


def test_an_error_arrives_with_its_hint() -> None:
    with pytest.raises(ControlError, match="what is wrong") as caught:
        read_answer(encode_error(StateError("what is wrong", hint="what would be right")))
    assert caught.value.hint == "what would be right"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"", "is cut off"),
        (b'{"ask": "stats"}', "is cut off"),
        (b"\n", "is not JSON"),
        (b"{\n", "is not JSON"),
        (b"\xff\n", "is not JSON"),
        (b"[" * 100_000 + b"\n", "is not JSON"),
        (b"[]\n", "is not a JSON object"),
        (b'"stats"\n', "is not a JSON object"),
    ],
)
def test_what_is_no_message_is_told(line: bytes, complaint: str) -> None:
    with pytest.raises(ControlError, match=f"the question {complaint}"):
        read_question(line)
    with pytest.raises(ControlError, match=f"the answer {complaint}"):
        read_answer(line)


@pytest.mark.parametrize("question", [{}, {"ask": 1}, {"ask": None}, {"aks": "stats"}])
def test_a_question_needs_its_word(question: object) -> None:
    with pytest.raises(ControlError, match="no word for what it asks"):
        read_question(json.dumps(question).encode() + b"\n")


def test_an_answer_without_one_is_told() -> None:
    with pytest.raises(ControlError, match="the answer is empty"):
        read_answer(b"{}\n")


def test_an_answer_that_does_not_fit_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MAX_ANSWER_BYTES", 100)
    with pytest.raises(ControlError, match="too long"):
        read_answer(encode_answer("x" * 100))
