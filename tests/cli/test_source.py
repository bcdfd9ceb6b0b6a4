"""Where the share link comes from."""

import io
import os
import sys
from pathlib import Path

import pytest

from ginnel.cli._source import resolve_link, resolve_links
from ginnel.config.sharelink import ShareLink
from ginnel.errors import ConfigError, ShareLinkError


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GINNEL_LINK", raising=False)


def test_an_argument_whole_or_in_pieces(link: str) -> None:
    expected = ShareLink.parse(link)
    assert resolve_link([link]) == expected
    assert resolve_link([link[:70], link[70:140], link[140:]]) == expected
    assert resolve_link([f" '{link}'"]) == expected


def test_a_file(link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "link.txt").write_text(f"{link[:99]}\n{link[99:]}\n")
    for name in (str(tmp_path / "link.txt"), "~/link.txt"):
        assert resolve_link([name]) == ShareLink.parse(link)


def test_standard_input(link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(link + "\n"))
    assert resolve_link(["-"]) == ShareLink.parse(link)


def test_the_environment_from_which_it_is_removed(link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GINNEL_LINK", link)
    assert resolve_link([]) == ShareLink.parse(link)
    assert "GINNEL_LINK" not in os.environ
    monkeypatch.setenv("GINNEL_LINK", "ginnel://of-no-interest")
    assert resolve_link([link]) == ShareLink.parse(link)
    assert "GINNEL_LINK" not in os.environ


def test_nothing_at_all_says_where_to_get_one() -> None:
    with pytest.raises(ConfigError, match="no share link given") as caught:
        resolve_link([])
    assert "$GINNEL_LINK" in caught.value.hint


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        (["no-such-file"], r"'no-such-file' is neither a share link nor a file .*: No such file"),
        (["."], r"'\.' is neither a share link nor a file .*: Is a directory"),
        (["a", "b"], r"more than one share link given"),
        (["x" * 150], r"the argument is neither a share link nor a file"),
    ],
)
def test_what_is_neither_link_nor_file(pieces: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        resolve_link(pieces)
    assert caught.value.hint


def test_a_file_that_holds_something_else(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"\xff" * 1_000_000)
    with pytest.raises(ShareLinkError, match="too long to be a share link"):
        resolve_link([str(path)])


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_an_empty_link_or_input_is_said_to_be_empty(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="the share link is empty") as caught:
        resolve_link([text])
    assert "$GINNEL_LINK" in caught.value.hint
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    with pytest.raises(ConfigError, match="standard input is empty"):
        resolve_link(["-"])


def test_the_home_of_nobody() -> None:
    with pytest.raises(ConfigError, match="'~no-such-user/x' begins with the home directory of a user"):
        resolve_link(["~no-such-user/x"])


def test_several_links_each_from_where_it_is(
    link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "two.txt").write_text(f"'{link[:40]}\n{link[40:]}' \n\"{link.upper()}\"\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO(link))
    links = resolve_links([str(tmp_path / "two.txt"), "-", f" {link} "])
    assert links == [ShareLink.parse(link)] * 4


@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        ("hello {link}", "this is not a share link", "It is link 1 of 2."),
        ("{link}\n{link}0", "the share link goes on after its end", "It is link 2 of 2."),
        ("", "the share link is empty", "It is link 1 of 1."),
    ],
)
def test_which_of_several_links_is_wrong(
    link: str, tmp_path: Path, written: str, message: str, hint: str
) -> None:
    (tmp_path / "links.txt").write_text(written.format(link=link))
    with pytest.raises(ShareLinkError, match=message) as caught:
        resolve_links([str(tmp_path / "links.txt")])
    assert caught.value.hint.endswith(hint)
