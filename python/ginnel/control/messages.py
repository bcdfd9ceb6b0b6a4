"""The two lines of a conversation: `{"ask": "stats"}`, and `{"answer": …}` or `{"error": "…", "hint": "…"}`."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ginnel.errors import ControlError, GinnelError

MAX_QUESTION_BYTES = 4096
"""A longer line is refused."""
MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""The figures of 10,000 users are a tenth of it."""
STEP_SECONDS = 5.0
"""How long one side waits for the other one to send its line, or to take ours."""
WORK_SECONDS = 30.0
"""How long an answer may take to be found."""

Question = Mapping[str, Any]
Handler = Callable[[Question], Awaitable[object]]
"""Answers a question with something that is JSON; what it raises as GinnelError is told to who asked."""


def encode_question(ask: str, **details: object) -> bytes:
    """Write a question."""
    return _line({**details, "ask": ask})


def encode_answer(answer: object) -> bytes:
    """Write an answer. An answer that does not fit becomes an error."""
    line = _line({"answer": answer})
    return line if len(line) <= MAX_ANSWER_BYTES else encode_error(ControlError("the answer is too long"))


def encode_error(error: GinnelError) -> bytes:
    """Write why there is no answer."""
    return _line({"error": str(error), "hint": error.hint})


def read_question(line: bytes) -> Question:
    """Read a question. ControlError says what is wrong with it."""
    question = _read(line, "question")
    if not isinstance(question.get("ask"), str):
        raise ControlError("the question has no word for what it asks", hint='Such as:  {"ask": "stats"}')
    return question


def read_answer(line: bytes) -> object:
    """Read an answer; raises ControlError for an error, and for what is neither."""
    answer = _read(line, "answer")
    if "error" in answer:
        raise ControlError(str(answer["error"]), hint=str(answer.get("hint", "")))
    if "answer" not in answer:
        raise ControlError("the answer is empty")
    return answer["answer"]


def _line(value: Mapping[str, object]) -> bytes:
    # JSON puts line breaks of texts as \n: a message is always one line.
    return json.dumps(value, allow_nan=False).encode() + b"\n"


def _read(line: bytes, what: str) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise ControlError(f"the {what} is cut off")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise ControlError(f"the {what} is not JSON") from None
    if not isinstance(value, dict):
        raise ControlError(f"the {what} is not a JSON object")
    return value
