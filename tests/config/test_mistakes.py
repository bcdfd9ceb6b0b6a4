"""How a bad value is repeated."""

import datetime
from typing import Any

import pytest

from ginnel.config.mistakes import Unusable, did_you_mean, quoted, written

HUGE = 1 << 20_000  # Python refuses to write out so many digits; TOML reads them when they are hexadecimal


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(HUGE, "(a very large number)", id="huge"),
        ("a", '"a"'),
        ('a"\n', r'"a\"\n"'),
        ("ü", '"ü"'),
        (True, "true"),
        (5, "5"),
        (-1.5, "-1.5"),
        (float("nan"), "nan"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        ([], "[]"),
        ([1, "secret"], "[…]"),
        ({"password": "secret"}, "{…}"),
        ("x" * 100, '"' + "x" * 60 + '…"'),
    ],
)
def test_values_are_repeated_as_toml(value: Any, text: str) -> None:
    assert written(value) == text


@pytest.mark.parametrize("show", [quoted, written])
@pytest.mark.parametrize("text", ["ginnel://SECRET", " GINNEL://SECRET", "x ginnel:SECRET"])
def test_no_piece_of_a_share_link_is_repeated(show: Any, text: str) -> None:
    assert "SECRET" not in show(text)
    assert "SECRET" not in str(Unusable("listen", text, "is no address", ""))


@pytest.mark.parametrize(
    ("word", "guess"),
    [
        ("listne", " Did you mean 'listen'?"),
        ("tcp_buffer", " Did you mean 'limits.tcp_buffer'?"),
        ("timeouts.tcp_buffer", " Did you mean 'limits.tcp_buffer'?"),
        ("xyzzy", ""),
    ],
)
def test_a_guess_finds_letters_changed_and_tables_forgotten(word: str, guess: str) -> None:
    assert did_you_mean(word, ["listen", "limits.tcp_buffer", "limits.tcp_buffers"]) == guess
