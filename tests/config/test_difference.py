"""What changes between two configurations."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ginnel.config.address import Address, Endpoint
from ginnel.config.difference import Change, ReloadReport, difference, report_of, role_of, running
from ginnel.config.kcp import KcpConfig
from ginnel.config.limits import Limits, Timeouts
from ginnel.config.logs import LogConfig
from ginnel.config.ports import Ports
from ginnel.config.secret import Secret
from ginnel.config.values import ClientConfig, ServerConfig, Socks5Config
from tests.config.test_values import LINK


def server(**settings: Any) -> ServerConfig:
    return ServerConfig.build(**{"state": Path("s"), **settings})


def client(**settings: Any) -> ClientConfig:
    return ClientConfig.build(**{"link": LINK, **settings})


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"listen": (Endpoint("::1", Ports.one(5)),)},
            "listen: the default is now [::1]:5, at the next start",
        ),
        ({"state": Path("t")}, "state: s is now t, at the next start"),
        ({"drain_seconds": 5.0}, "drain: 4 s is now 5 s, at once"),
        ({"allow_private": True}, "allow_private: false is now true, at once"),
        ({"congestion": "cubic"}, "congestion: adaptive is now cubic, for new links and streams"),
        ({"session": "kcp"}, "session: quic is now kcp, at once"),
        ({"kcp": KcpConfig(mode="fast3")}, "kcp.mode: auto is now fast3, for new links and streams"),
        ({"limits": Limits(links=5)}, "limits.links: 4,096 is now 5, for new links and streams"),
        (
            {"limits": Limits(memory_bytes=2**27)},
            "limits.memory: 1 GiB is now 128 MiB, at once",
        ),
        (
            {"timeouts": Timeouts(step_seconds=0.5)},
            "timeouts.step: 5 s is now 500 ms, for new links and streams",
        ),
        ({"log": LogConfig(level="off")}, "log.level: info is now off, at once"),
        ({"log": LogConfig(areas={"link": "off"})}, "log.areas.link: the default is now off, at once"),
        ({"log": LogConfig(format="json")}, "log.format: text is now json, at the next start"),
    ],
)
def test_one_change_of_a_server(settings: dict[str, Any], line: str) -> None:
    assert [str(change) for change in difference(server(), server(**settings))] == [line]


def test_a_rate_comes_and_goes_with_its_controller() -> None:
    fixed = server(congestion="fixed", rate_bits_per_second=20_000_000)
    faster = server(congestion="fixed", rate_bits_per_second=1_500_000_000)
    assert [str(change) for change in difference(server(), fixed)] == [
        "congestion: adaptive is now fixed, for new links and streams",
        "rate: none is now 20 Mbit/s, for new links and streams",
    ]
    assert [str(change) for change in difference(fixed, faster)] == [
        "rate: 20 Mbit/s is now 1500 Mbit/s, for new links and streams"
    ]
    assert running(faster, server()) == server()


def test_nothing_changes_between_equal_ones() -> None:
    assert difference(server(), server()) == []
    assert difference(client(), client()) == []
    assert ReloadReport().lines == ("nothing has changed",)


def test_secrets_are_masked() -> None:
    other = LINK.model_copy(
        update={"servers": (LINK.servers[0].model_copy(update={"psk": Secret(b"\x01" * 32)}),)}
    )
    listener = Socks5Config(address=Address("127.0.0.1", 1), username="u", password=SecretStr("PASSWORD"))
    another = listener.model_copy(update={"password": SecretStr("PASSWORT")})
    changes = difference(client(socks5=(listener,)), client(link=other, socks5=(another,)))
    assert [str(change) for change in changes] == [
        "link: another secret, at the next start",
        "socks5: another secret, at once",
    ]
    assert "PASSWOR" not in str(report_of(changes).to_json())


def test_of_another_role_only_the_role_is_told() -> None:
    assert difference(server(), client()) == [Change("role", "server", "client", "at the next start")]
    assert (role_of(server()), role_of(client())) == ("server", "client")


def test_a_report_parts_what_waits_from_what_holds() -> None:
    report = report_of(
        difference(server(), server(listen=(Endpoint("::1", Ports.one(5)),), drain_seconds=5.0))
    )
    assert [change.key for change in report.applied] == ["drain"]
    assert [change.key for change in report.waiting] == ["listen"]
    assert report.lines == (str(report.applied[0]), str(report.waiting[0]))
    assert report.to_json()[:1] == [{"key": "drain", "old": "4 s", "new": "5 s", "effect": "at once"}]


def test_what_runs_keeps_what_waits() -> None:
    old = server(log=LogConfig(format="text"))
    new = server(
        listen=(Endpoint("::1", Ports.one(5)),),
        drain_seconds=5.0,
        limits=Limits(links=5),
        log=LogConfig(level="off", format="json"),
    )
    now = running(old, new)
    assert now == server(drain_seconds=5.0, limits=Limits(links=5), log=LogConfig(level="off"))
    # The file still differs from what runs, and the next reload says so again.
    assert [change.key for change in difference(now, new)] == ["listen", "log.format"]


def test_session_and_number_of_links_of_a_client_wait_for_the_next_start() -> None:
    new = client(session="kcp", links=4, kcp=KcpConfig(lanes=2))
    assert [str(change) for change in difference(client(), new)] == [
        "session: the default is now kcp, at the next start",
        "links: 1 is now 4, at the next start",
        "kcp.lanes: 8 is now 2, for new links and streams",
    ]
    assert running(client(), new) == client(kcp=KcpConfig(lanes=2))
