"""The kinds of values."""

from pathlib import Path
from typing import Any

import pytest

from ginnel.config.kinds import (
    Choice,
    Count,
    Duration,
    FilePath,
    Flag,
    Kind,
    Rate,
    Size,
    resolve,
)
from ginnel.errors import ConfigError

TIME = Duration(1, 60, " The default is 5 s.")
SIZE = Size(1024, 1_048_576)
RATE = Rate(100_000, 10**9, " So.")
COUNT = Count(1, 100)
WORD = Choice(("text", "json"), '"json"')


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (TIME, "5s", 5),
        (SIZE, "2KiB", 2048),
        (RATE, "20 Mbit/s", 20_000_000),
        (COUNT, 7, 7),
        (Flag(), False, False),
        (WORD, "json", "json"),
        (FilePath(), "a/b", Path("a/b")),
    ],
)
def test_what_a_file_says_is_read_and_spelled_again(kind: Kind, raw: object, value: object) -> None:
    assert kind.read(raw, "x") == value
    spelled = kind.spell(value)
    assert kind.read(spelled.strip('"') if '"' in spelled else raw, "x") == value
    assert kind.show(value)


@pytest.mark.parametrize(
    ("kind", "raw", "error", "hint"),
    [
        (TIME, 5, "x = 5 has no unit", 'Write "5s" for seconds, in quotes'),
        (TIME, 0, "x = 0 has no unit", 'Write "0s" for seconds, in quotes'),
        (TIME, True, "x = true is not a string", 'Such as "25s".'),
        (TIME, "61s", "x = '61s' is too long", "Allowed: 1 s to 1 min. The default is 5 s."),
        (SIZE, 64, "x = 64 has no unit", 'Write "64KiB", or "64B" for bytes, in quotes'),
        (SIZE, [], "x = [] is not a string", "64KiB"),
        (RATE, 20, "x = 20 has no unit", 'Write "20 Mbit/s", or "20 bit/s" for bits, in quotes.'),
        (RATE, 2.5, "x = 2.5 has no unit", 'Write "2.5 Mbit/s"'),
        (RATE, True, "x = true is not a string", 'Such as "184 Mbit/s".'),
        (RATE, "1 kbit/s", "x = '1 kbit/s' is too low", "Allowed: 100 kbit/s to 1 Gbit/s. So."),
        (COUNT, "7", "x = '7' is not a whole number", "Write it without quotes. Allowed: 1 to 100."),
        (COUNT, 7.0, "x = 7.0 is not a whole number", "Allowed"),
        (COUNT, True, "x = true is not a whole number", "Allowed"),
        (COUNT, 0, "x = 0 is too small", "Allowed: 1 to 100."),
        (COUNT, 101, "x = 101 is too large", "Allowed: 1 to 100."),
        (Flag(), "true", "x = 'true' is neither true nor false", "without quotes"),
        (Flag(), 1, "x = 1 is neither true nor false", "without quotes"),
        (WORD, "jsno", "x = 'jsno' is not one of its words", "Did you mean 'json'? One of: text, json."),
        (WORD, 1, "x = 1 is not a string", "One of: text, json."),
        (FilePath(), " ", "x = ' ' is not a path", "link.txt"),
        (FilePath(), "a\0b", r"x = 'a\\x00b' is not a path", "link.txt"),
    ],
)
def test_what_is_wrong_is_told_with_what_would_be_right(
    kind: Kind, raw: object, error: str, hint: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{error}".replace("[]", r"\[\]")) as caught:
        kind.read(raw, "x")
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (COUNT, "7", 7),
        (Count(1, 100_000), "50,000", 50_000),
        (Flag(), "yes", True),
        (Flag(), "OFF", False),
        (TIME, "5 s", 5),
        (RATE, "20mbit", 20_000_000),
    ],
)
def test_texts_of_flags_and_variables(kind: Kind, text: str, value: object) -> None:
    assert kind.read_text(text, "x") == value


@pytest.mark.parametrize(
    ("kind", "text"), [(COUNT, "1.5"), (COUNT, "٤"), (COUNT, "1" * 5000), (Flag(), "maybe"), (TIME, "5")]
)
def test_texts_that_are_no_values(kind: Kind, text: str) -> None:
    with pytest.raises(ConfigError, match=r"^x = "):
        kind.read_text(text, "x")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 61.0])
def test_a_number_outside_its_bounds_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match=r"^x = "):
        TIME.check(value, "x")


@pytest.mark.parametrize("kind", [TIME, SIZE, RATE, COUNT, Flag(), WORD, FilePath()])
def test_a_number_too_long_to_write_is_refused_all_the_same(kind: Kind) -> None:
    with pytest.raises(ConfigError, match="very large number"):
        kind.read(1 << 20_000, "x")


def test_relative_paths_count_from_the_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/h")
    assert resolve(Path("a"), Path("/etc"), "x") == Path("/etc/a")
    assert resolve(Path("a"), None, "x") == Path("a")
    assert resolve(Path("/a"), Path("/etc"), "x") == Path("/a")
    assert resolve(Path("~/a"), Path("/etc"), "x") == Path("/h/a")
    with pytest.raises(ConfigError, match="home directory that this machine does not know"):
        resolve(Path("~nobody-has-this-name/a"), None, "x")


@pytest.mark.parametrize("kind", [TIME, SIZE, RATE, COUNT, Flag(), WORD, FilePath()])
def test_examples_are_right(kind: Kind) -> None:
    raw: Any = {"true": True, "1000": 50}.get(kind.example, kind.example.strip('"'))
    kind.read(raw, "x")
