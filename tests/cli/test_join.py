"""`ginnel join`."""

import io
import json
import sys
from pathlib import Path

import pytest

from ginnel.config.sharelink import ShareLink
from tests.api.test_joining import link
from tests.cli.conftest import Command

FIRST, SECOND, THIRD = (link(number).to_text() for number in (1, 2, 3))


def hosts(text: str) -> list[str]:
    return [server.host for server in ShareLink.parse(text).servers]


def test_links_from_arguments_files_and_standard_input(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "two.txt").write_text(f"{SECOND[:90]}\n{SECOND[90:]}\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"\n{THIRD}\n"))
    result = run("join", "-", FIRST, str(tmp_path / "two.txt"), "--label", "all")
    assert result.code == 0
    assert hosts(result.out) == ["192.0.2.3", "192.0.2.1", "192.0.2.2"]
    assert ShareLink.parse(result.out).label == "all"
    assert [line.split()[:3] for line in result.err.splitlines()] == [
        ["server", "1", "192.0.2.3:3000-3001"],
        ["server", "2", "192.0.2.1:1000-1001"],
        ["server", "3", "192.0.2.2:2000-2001"],
    ]
    # The secrets are on standard output alone.
    assert "ginnel://" not in result.err


def test_a_file_may_hold_several(run: Command, tmp_path: Path) -> None:
    (tmp_path / "all.txt").write_text(f"{FIRST}\n{SECOND[:50]}\n{SECOND[50:]}\n\n{THIRD.upper()}")
    assert hosts(run("join", str(tmp_path / "all.txt")).out) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


def test_json(run: Command) -> None:
    told = json.loads(run("join", FIRST, SECOND, "--json").out)
    assert told["servers"] == ["192.0.2.1:1000-1001", "192.0.2.2:2000-2001"]
    assert hosts(told["link"]) == ["192.0.2.1", "192.0.2.2"]
    assert (told["label"], told["notes"]) == ("", [])


def test_what_it_did_is_said(run: Command) -> None:
    result = run("join", FIRST, link(1, host="2001:db8::1").to_text())
    assert (
        "note       [2001:db8::1]:1000-1001 is another way to the server at 192.0.2.1:1000-1001" in result.err
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([FIRST], "error: one share link alone: there is nothing to join"),
        ([FIRST, FIRST], "error: links 1 and 2 lead to the same server, 192.0.2.1"),
        ([FIRST, SECOND[:-1]], "It is link 2 of 2."),
        ([FIRST, "nowhere.txt"], "error: 'nowhere.txt' is neither a share link nor a file that can be read"),
        ([FIRST, ""], "error: the share link is empty"),
        ([FIRST, SECOND, "--label", "x" * 65], "label"),
    ],
)
def test_what_cannot_be_joined(run: Command, arguments: list[str], said: str) -> None:
    result = run("join", *arguments)
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert SECOND[20:40] not in result.err
