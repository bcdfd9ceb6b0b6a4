"""The setting `socks5`."""

import os
from pathlib import Path

import pytest

from ginnel.config.address import Address
from ginnel.config.listeners import Listeners, holds_password
from ginnel.config.mistakes import EntryMistake
from ginnel.errors import ConfigError

KIND = Listeners()


@pytest.mark.parametrize(
    ("raw", "addresses"),
    [
        ("1080", ["127.0.0.1:1080"]),
        (1080, ["127.0.0.1:1080"]),
        (["[::1]:1", 2], ["[::1]:1", "127.0.0.1:2"]),
        ({"listen": "0"}, ["127.0.0.1:0"]),
        ([{"listen": 5}, "6"], ["127.0.0.1:5", "127.0.0.1:6"]),
    ],
)
def test_addresses_tables_and_lists(raw: object, addresses: list[str]) -> None:
    assert [str(one.address) for one in KIND.read(raw, "socks5")] == addresses


def test_a_text_may_hold_several_addresses() -> None:
    assert [one.address for one in KIND.read_text("1, [::1]:2 3", "x")] == [
        Address("127.0.0.1", 1),
        Address("::1", 2),
        Address("127.0.0.1", 3),
    ]
    assert KIND.spell(KIND.read_text("1", "x")) == '"127.0.0.1:1"'
    assert KIND.spell(KIND.read_text("1 2", "x")) == '["127.0.0.1:1", "127.0.0.1:2"]'


def test_a_password_here_or_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("PASS word\nsecond line\n")
    raw = [
        {"listen": 1, "username": "me", "password": "PASSWORD"},
        {"listen": 2, "username": "me", "password_file": "password"},
    ]
    here, there = KIND.read_from(raw, "socks5", tmp_path)
    assert (here.username, here.reveal_password()) == ("me", "PASSWORD")
    assert (there.username, there.reveal_password()) == ("me", "PASS word")
    assert "PASS" not in KIND.spell((here, there)) + KIND.show((here, there)) + repr(here)
    assert holds_password(raw)
    assert not holds_password(raw[1:])
    assert not holds_password("1080")


@pytest.mark.parametrize(
    ("raw", "error", "place"),
    [
        (
            [1, {"listen": 1, "usrname": "u"}],
            "unknown key 'usrname' in socks5[1]. Did you mean 'username'?",
            (1, "usrname"),
        ),
        ([{"username": "u"}], "socks5[0] has no listen", (0,)),
        ({"listen": "x:y"}, "socks5 = 'x:y' has no valid port", ("listen",)),
        ([True], "socks5[0] is not an address", (0,)),
        ([[1]], "socks5[0] is not an address", (0,)),
        ([1 << 20_000], "socks5[0] = '(a very large number)' has no port", (0,)),
        ([{"listen": 1, "password": 5}], "socks5[0].password is not a string", (0, "password")),
        (
            {"listen": 1, "username": "u"},
            "socks5: socks5 takes a username and a password together, or neither",
            (),
        ),
        (
            {"listen": 1, "username": "u", "password": "SECRET" * 99},
            "socks5: password: 1 to 255 bytes are possible (RFC 1929)",
            (),
        ),
        (
            {"listen": 1, "username": "u", "password": "SECRET", "password_file": "x"},
            "socks5 has both password and password_file",
            ("password_file",),
        ),
        (
            {"listen": 1, "username": "u", "password_file": 5},
            "socks5.password_file is not a path",
            ("password_file",),
        ),
    ],
)
def test_mistakes_name_the_listener(raw: object, error: str, place: tuple[object, ...]) -> None:
    with pytest.raises(EntryMistake) as caught:
        KIND.read(raw, "socks5")
    assert (str(caught.value), caught.value.place) == (error, place)
    assert "SECRET" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("raw", [[], list(range(65))])
def test_too_few_and_too_many(raw: object) -> None:
    with pytest.raises(ConfigError) as caught:
        KIND.read(raw, "socks5")
    assert caught.value.hint.startswith("Allowed: 1 to 64.")


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda path: None, "No such file"),
        (os.mkfifo, "is a pipe, not a file"),
        (lambda path: path.write_text("x" * 5000), "is too long"),
        (lambda path: path.write_text(""), "password: 1 to 255 bytes"),
        (lambda path: path.write_text("\n\n"), "password: 1 to 255 bytes"),
    ],
)
def test_a_password_file_that_holds_none(tmp_path: Path, make: object, error: str) -> None:
    make(tmp_path / "p")  # type: ignore[operator]  # each takes a path
    with pytest.raises(EntryMistake, match=error):
        KIND.read_from({"listen": 1, "username": "u", "password_file": "p"}, "socks5", tmp_path)
