"""Ways to hosts, and what raw TCP makes of them."""

import errno
import os
import socket
from dataclasses import replace

import pytest

from ginnel import _native
from ginnel.doctor import ways
from ginnel.doctor.finding import Finding, Wanted
from ginnel.doctor.ways import Interface, Way

pytestmark = pytest.mark.usefixtures("engines")

ETH0 = Interface(2, "eth0", "ethernet", False, True, 1500, "02:00:00:00:00:02", ("192.0.2.2",))
TUNNEL = Interface(3, "wg0", "bare", True, True, 1420, None, ("10.0.0.2",))
WAY = Way("203.0.113.7", "203.0.113.7", ETH0, "192.0.2.2", "192.0.2.1", "02:00:00:00:00:fe")
RAWTCP = Wanted(rawtcp=True)


def judged(way: Way, wanted: Wanted = RAWTCP) -> dict[str, Finding]:
    return {finding.area: finding for finding in ways.check([way], wanted)}


def test_why_an_interface_is_not_for_raw_tcp() -> None:
    assert ETH0.obstacle() == ""
    assert replace(ETH0, up=False).obstacle(named=True) == "it is down, or its other end is"
    assert "neither Ethernet nor plain IP" in replace(ETH0, kind="other").obstacle(named=True)
    assert TUNNEL.obstacle() == (
        'it leads into a VPN or another tunnel: only with [rawtcp] interface = "wg0"'
    )
    assert TUNNEL.obstacle(named=True) == ""


def test_names_of_odd_letters_do_not_reach_the_terminal() -> None:
    facts = {"index": 1, "name": "e\x1b[2Jth\u202e", "kind": "bare", "tunnel": False, "up": True, "mtu": 1500}
    made = Interface.of({**facts, "hardware": None, "addresses": []})
    assert made.name == "e\ufffd[2Jth\ufffd"


def test_to_the_internet_without_ipv6() -> None:
    [way] = ways.find(Wanted())
    assert (way.shown, way.interface, way.next) == ("the Internet, IPv4", ETH0, "192.0.2.254")


def test_without_any_way_there_is_one_word_about_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object) -> dict[str, object]:
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))

    monkeypatch.setattr(_native, "way", nowhere)
    [way] = ways.find(Wanted())
    assert way.error == "no route leads there"
    assert judged(way) == {
        "route": Finding(
            "route", "problem", "to the Internet, IPv4: no route leads there", "ip route; ip -6 route"
        )
    }


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        (Wanted(("203.0.113.9",)), "no route leads there"),
        (Wanted(("192.0.2.1",), interface="none0"), "there is no interface 'none0'"),
        (Wanted(("192.0.2.1",), source="192.0.2.77"), "192.0.2.77 is none of this machine's addresses"),
    ],
)
def test_what_is_in_the_way_is_said_in_words(wanted: Wanted, error: str) -> None:
    [way] = ways.find(wanted)
    assert way.error == error


def test_names_are_looked_up_and_lead_to_all_their_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    places = [
        (2, 2, 17, "", ("192.0.2.1", 0)),
        (10, 2, 17, "", ("fe80::1%eth0", 0, 0, 2)),
        (2, 2, 17, "", ("192.0.2.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
    assert [(way.host, way.address) for way in ways.find(Wanted(("a.test",)))] == [
        ("a.test", "192.0.2.1"),
        ("a.test", "fe80::1"),
    ]

    def unknown(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    [way] = ways.find(Wanted(("a.test",)))
    assert way.error == "its name leads to no address: Name or service not known"
    assert judged(way)["route"].remedy == "getent hosts a.test"


def test_a_good_way() -> None:
    found = judged(WAY)
    assert {finding.state for finding in found.values()} == {"ok"}
    assert found["route"].found == "to 203.0.113.7: eth0, from 192.0.2.2 by 192.0.2.1"
    assert found["neighbour"].found == "192.0.2.1 is 02:00:00:00:00:fe"


def test_a_tunnel_is_refused_by_raw_tcp_unless_it_is_named() -> None:
    way = replace(WAY, interface=TUNNEL, hardware=None)
    assert judged(way)["route"].state == "problem"
    assert 'interface = "wg0" in [rawtcp]' in judged(way)["route"].remedy
    assert judged(way, Wanted())["route"].state == "note"
    assert judged(way, replace(RAWTCP, interface="wg0"))["route"].state == "ok"
    assert "neighbour" not in judged(way)


def test_an_interface_that_is_down_is_a_problem_for_every_carrier() -> None:
    found = judged(replace(WAY, interface=replace(ETH0, up=False)), Wanted())["route"]
    assert (found.state, found.remedy) == ("problem", "sudo ip link set eth0 up")


def test_a_neighbour_that_is_not_known_yet_is_a_note() -> None:
    found = judged(replace(WAY, hardware=None))["neighbour"]
    assert (found.state, found.remedy) == ("note", "ping -c 1 192.0.2.1; ip neighbour show 192.0.2.1")


@pytest.mark.parametrize(
    ("mtu", "path", "state", "word"),
    [
        (1500, None, "ok", "1500 bytes on eth0"),
        (1500, 1500, "ok", "1500 bytes on eth0"),
        (9000, 9000, "ok", "9000 bytes on eth0"),
        (1499, None, "note", "1499 bytes on eth0"),
        (1500, 1400, "note", "1400 bytes on the path to 203.0.113.7"),
        (1280, None, "note", "1280 bytes on eth0"),
        (1279, None, "problem", "1279 bytes on eth0, which is less than the 1280"),
    ],
)
def test_how_long_packets_may_be(mtu: int, path: int | None, state: str, word: str) -> None:
    found = judged(replace(WAY, interface=replace(ETH0, mtu=mtu), path_mtu=path))["mtu"]
    assert found.state == state
    assert found.found.startswith(word)
    assert bool(found.remedy) == (mtu < 1280)


def test_the_path_to_ourselves_is_as_wide_as_the_loopback() -> None:
    [way] = ways.find(Wanted(("127.0.0.1",)))
    assert way.path_mtu is not None
    assert way.path_mtu >= ways.FULL_MTU
    assert "neighbour" not in judged(way)
