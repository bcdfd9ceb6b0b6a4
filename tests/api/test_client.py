"""The client: start, failures, what it passes to the engine, close."""

import asyncio
import datetime
import os
from pathlib import Path
from typing import Any

import pytest

from ginnel.api.client import Client
from ginnel.api.events import Event, LinkLost, LinkUp
from ginnel.config import clock
from ginnel.config.kcp import KcpConfig
from ginnel.config.logs import LogConfig
from ginnel.config.profile import Profile
from ginnel.config.sharelink import Session, ShareLink
from ginnel.control.client import ask
from ginnel.control.paths import client_socket
from ginnel.errors import (
    ClosedError,
    ConfigError,
    HostUnreachable,
    LimitReached,
    NameUnknown,
    NetworkUnreachable,
    NoAnswer,
    ShareLinkError,
    TargetNotAllowed,
    TargetRefused,
    TargetTimedOut,
)
from tests.fake_engine import LINK, Engine


async def test_a_link_as_text_or_parsed_starts_the_same_client(
    engines: list[Engine], link: ShareLink
) -> None:
    for given in (link, link.to_text()):
        async with Client(given) as client:
            assert client.link == LinkUp("192.0.2.1:5", rtt_seconds=0.041, session="quic", carrier="udp")
    for engine in engines:
        assert engine.config.servers == [
            ("udp", "192.0.2.1", [(5, 5)], bytes(32), bytes(32), bytes(range(32)))
        ]
        assert engine.calls == [("connect", 10.0), ("shutdown", 4.0)]


async def test_no_answer_closes_what_was_begun(engines: list[Engine], link: ShareLink) -> None:
    Engine.answer_connect = False
    with pytest.raises(NoAnswer, match=r"no answer from 192.0.2.1:5 in 2.5 s"):
        async with Client(link, connect_timeout_seconds=2.5):
            pass
    assert engines[0].closed


async def test_a_start_that_is_cancelled_closes_what_was_begun(
    engines: list[Engine], link: ShareLink
) -> None:
    client = Client(link)
    starting = asyncio.create_task(client.start())
    await asyncio.sleep(0)
    engines[0].hold = {"connect"}
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert engines[0].closed


@pytest.mark.parametrize(
    ("host", "error"),
    [
        ("refused.test", TargetRefused),
        ("unreachable.test", HostUnreachable),
        ("unknown.test", NameUnknown),
        ("slow.test", TargetTimedOut),
        ("nowhere.test", NetworkUnreachable),
        ("private.test", TargetNotAllowed),
        ("busy.test", LimitReached),
    ],
)
async def test_each_way_to_fail_is_an_error_of_its_own(
    client: Client, host: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await client.open_connection(host, 80)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("", 80),
        ("a b", 80),
        (None, 80),
        (b"example.org", 80),
        ("example.org", 0),
        ("example.org", 65536),
        ("example.org", True),
        ("example.org", "80"),
    ],
)
async def test_a_target_that_is_none_never_reaches_the_engine(
    client: Client, engines: list[Engine], host: Any, port: Any
) -> None:
    with pytest.raises(ConfigError):
        await client.open_connection(host, port)
    assert [call[0] for call in engines[0].calls] == ["connect"]


async def test_ping_and_stats(client: Client) -> None:
    assert await client.ping() == 0.0125
    assert client.stats()["gauges"] == {"links": 1}
    assert client.stats()["links"] == [LINK]


async def test_events_reach_the_handler(client: Client, engines: list[Engine], events: list[Event]) -> None:
    engines[0].emit("link_down", peer="192.0.2.1:5", reason="no answer for 15 s")
    engines[0].emit("of_a_newer_engine", anything=1)
    await client.ping()
    assert events == [LinkLost("192.0.2.1:5", "no answer for 15 s")]


async def test_a_client_starts_once_and_not_before_it_is_asked(link: ShareLink) -> None:
    client = Client(link)
    await client.aclose()
    with pytest.raises(ClosedError, match="has not started"):
        await client.ping()
    with pytest.raises(ClosedError, match="has not started"):
        client.stats()


async def test_a_closed_client_says_so(engines: list[Engine], link: ShareLink) -> None:
    async with Client(link) as client:
        pass
    with pytest.raises(ClosedError):
        await client.open_connection("example.org", 80)
    with pytest.raises(ClosedError):
        await client.start()
    await client.aclose()
    assert engines[0].calls == [("connect", 10.0), ("shutdown", 4.0)]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"link": "ginnel://nonsense"}, ShareLinkError),
        ({"connect_timeout_seconds": 0}, ConfigError),
        ({"drain_seconds": -1}, ConfigError),
    ],
)
def test_bad_settings_are_told_before_anything_happens(
    link: ShareLink, settings: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        Client(**{"link": link, **settings})  # type: ignore[arg-type]  # wrong values are the test


def test_its_repr_names_the_server_and_no_key(link: ShareLink) -> None:
    assert repr(Client(link)) == "<ginnel.Client of 192.0.2.1:5>"


async def test_the_engine_is_told_where_keys_are_logged(
    engines: list[Engine], link: ShareLink, tmp_path: Path
) -> None:
    async with Client(link, key_log=tmp_path / "keys"), Client(link):
        assert [engine.config.key_log for engine in engines] == [str(tmp_path / "keys"), None]


async def test_the_log_can_be_set_at_the_start_and_later(engines: list[Engine], link: ShareLink) -> None:
    async with Client(link, log=LogConfig(level="warning", areas={"config": "debug"})) as client:
        assert engines[0].config.log == {"": "warning"}
        client.set_log(LogConfig(areas={"link": "debug"}))
        assert engines[0].calls[-1] == ("set_log", {"": "info", "link": "debug"})


@pytest.fixture
def socket_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process's client has its control socket."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return client_socket(os.getpid())


async def test_it_can_be_asked_when_it_is_to_be(
    engines: list[Engine], link: ShareLink, socket_path: Path
) -> None:
    async with Client(link):
        assert not socket_path.parent.exists()
    async with Client(link, control=True) as client:
        stats = await asyncio.to_thread(ask, socket_path, "stats")
        assert isinstance(stats, dict)
        assert (stats["role"], stats["pid"], stats["gauges"]) == ("client", os.getpid(), {"links": 1})
        assert "state" not in stats

        async def reload(_: object) -> object:
            return []

        client.handlers["reload"] = reload
        assert await asyncio.to_thread(ask, socket_path, "reload") == []
    assert not socket_path.exists()


async def test_without_a_socket_it_works_all_the_same(
    engines: list[Engine], link: ShareLink, socket_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    socket_path.parent.write_text("in the way")
    async with Client(link, control=True) as client:
        assert await client.ping() == 0.0125
    assert "no control socket at" in caplog.text


async def test_a_start_that_fails_leaves_no_socket(
    engines: list[Engine], link: ShareLink, socket_path: Path
) -> None:
    Engine.answer_connect = False
    with pytest.raises(NoAnswer):
        await Client(link, control=True).start()
    assert socket_path.parent.exists()
    assert not socket_path.exists()


async def test_it_is_shaped_as_its_link_says_unless_it_is_told_otherwise(
    engines: list[Engine], link: ShareLink
) -> None:
    carried = Profile.fresh("light")
    with_profile = link.model_copy(update={"profile": carried})
    for given, wanted in ((with_profile, None), (link, None), (with_profile, "balanced")):
        async with Client(given, profile=wanted):  # type: ignore[arg-type]  # a preset or None
            pass
    derived = Profile.derive(link.servers[0].psk)
    assert [engine.config.profile for engine in engines] == [
        carried.pairs(),
        derived.pairs(),
        derived.pairs(),
    ]


async def test_no_answer_names_the_clock(
    engines: list[Engine], link: ShareLink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Engine.answer_connect = False
    with pytest.raises(NoAnswer) as caught:
        await Client(link).start()
    assert "Or this machine's clock is more than 2 minutes off" in caught.value.hint
    assert caplog.records == []
    monkeypatch.setattr(clock, "MADE", datetime.datetime(9999, 1, 1, tzinfo=datetime.UTC))
    with pytest.raises(NoAnswer) as caught:
        await Client(link).start()
    assert "This machine's clock is wrong" in caught.value.hint
    # And so much was said before it tried.
    assert [record.getMessage()[:34] for record in caplog.records] == ["this machine's clock is wrong: it "]


@pytest.mark.parametrize(
    ("asked", "told", "carried"),
    [("quic", None, "quic"), ("kcp", None, "kcp"), ("kcp", "quic", "quic"), ("quic", "kcp", "kcp")],
)
async def test_the_engine_is_told_session_and_number_of_links(
    engines: list[Engine], link: ShareLink, asked: Session, told: Session | None, carried: Session
) -> None:
    asking = link.model_copy(update={"session": asked})
    async with Client(asking, session=told, links=3, kcp=KcpConfig(mode="fast", window=64)) as client:
        assert client.link == LinkUp("192.0.2.1:5", rtt_seconds=0.041, session=carried, carrier="udp")
    config = engines[0].config
    assert (config.session, config.links, config.kcp) == (carried, 3, ("fast", 8, 64))
    async with Client(link):
        assert (engines[1].config.session, engines[1].config.links) == ("quic", 1)
