"""`ginnel ping`."""

import datetime
import json

import pytest

from ginnel.cli import ping
from ginnel.config import clock
from ginnel.config.ports import Ports
from ginnel.config.sharelink import ShareLink
from tests.cli.conftest import Command
from tests.fake_engine import Engine

pytestmark = pytest.mark.usefixtures("engines")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ping, "_INTERVAL_SECONDS", 0.0)


def test_reachable(run: Command, link: str, engines: list[Engine]) -> None:
    result = run("ping", link)
    assert result == (
        0,
        "reachable  192.0.2.1:5 · 41 ms · quic over udp\n        1  12 ms\n        2  12 ms\n        3  12 ms\n",
        "",
    )
    assert engines[0].calls == [("connect", 10.0), *[("probe", 10.0)] * 3, ("shutdown", 0.0)]


def test_silent_says_what_to_check_and_exits_with_1(run: Command, link: str) -> None:
    Engine.answer_connect = False
    result = run("ping", link, "--timeout", "2s")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: no answer from 192.0.2.1:5 in 2 s\n")
    for word in ("ginnel server", "ginnel link", "UDP port 5", "clock", "more than 64 links"):
        assert word in result.err


def test_json(run: Command, link: str) -> None:
    result = run("ping", link, "--json", "-c", "2")
    assert result.code == 0
    assert json.loads(result.out) == {
        "reachable": True,
        "peer": "192.0.2.1:5",
        "rtt_seconds": [0.0125, 0.0125],
    }
    Engine.answer_connect = False
    result = run("ping", link, "--json")
    assert (result.code, result.err) == (1, "")
    assert json.loads(result.out)["reachable"] is False


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["-c", "0"], "--count = '0' is not possible"),
        (["-c", "many"], "--count = 'many' is not possible"),
        (["--timeout", "0"], "--timeout = 0 leaves no time to answer"),
        (["--timeout", "1h"], "--timeout = '1h' is too long"),
    ],
)
def test_mistakes(run: Command, link: str, arguments: list[str], error: str) -> None:
    result = run("ping", link, *arguments)
    assert result.code == 2
    assert result.err.startswith(f"error: {error}")


def test_a_clock_that_is_certainly_wrong_is_told_before_it_tries(
    run: Command, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "MADE", datetime.datetime(9999, 1, 1, tzinfo=datetime.UTC))
    result = run("ping", link)
    assert result.code == 0
    assert result.err.startswith("warning: this machine's clock is wrong: it says 2")
    assert run("ping", link, "--json").err == ""
    Engine.answer_connect = False
    result = run("ping", link)
    assert "\n  This machine's clock is wrong: it says 2" in result.err


def test_the_link_says_which_session(run: Command, link: str) -> None:
    kcp = ShareLink.parse(link).model_copy(update={"session": "kcp"}).to_text()
    assert run("ping", kcp, "-c", "1").out.startswith("reachable  192.0.2.1:5 · 41 ms · kcp over udp\n")


def test_the_carrier_of_a_flag(run: Command, link: str) -> None:
    said = run("ping", link, "-c", "1", "--carrier", "rawtcp", "--interface", "eth0").out
    assert said.startswith("reachable  192.0.2.1:5 · 41 ms · quic over rawtcp\n")
    assert Engine.made[-1].config.rawtcp == {"interface": "eth0"}
    assert "--carrier = 'tcp' is not one of its words" in run("ping", link, "--carrier", "tcp").err
    assert "--interface = '' is not the name" in run("ping", link, "--interface", "").err


def test_what_to_let_in_is_that_of_the_carrier(run: Command, link: str) -> None:
    Engine.answer_connect = False
    server = ShareLink.parse(link).servers[0]
    raw = server.model_copy(update={"carrier": "rawtcp", "ports": Ports.one(443)})
    both = ShareLink(servers=(server, raw)).to_text()
    assert "let UDP port 5, TCP port 443 in?" in run("ping", both).err
    said = run("ping", both, "--carrier", "rawtcp").err
    assert "let TCP port 443 in?" in said
    assert "what does `ginnel doctor LINK` find?" in said
