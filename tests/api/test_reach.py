"""Which address goes into share links."""

import socket

import pytest

from ginnel.api import reach
from ginnel.api.reach import Reachable, find_reachable
from ginnel.config.address import Endpoint, parse_advertised
from ginnel.config.ports import Ports

ANYWHERE = Endpoint("0.0.0.0", Ports.one(443))  # noqa: S104 - nothing is bound
RAW = Endpoint("198.51.100.9", Ports.one(8443), "rawtcp")


def find(*places: Endpoint | str) -> list[tuple[str, str]]:
    """What links name of a server that listens at the endpoints and advertises the texts."""
    bound = [place for place in places if isinstance(place, Endpoint)]
    told = [parse_advertised(place) for place in places if isinstance(place, str)]
    return [(str(one.endpoint), one.origin) for one in find_reachable(told or None, bound)]


def test_what_is_given_wins() -> None:
    assert find(ANYWHERE, "ext.example.net") == [("ext.example.net:443", "given")]
    assert find(ANYWHERE, "ext.example.net:9-10") == [("ext.example.net:9-10", "given")]


def test_a_concrete_address_is_reachable_as_itself() -> None:
    assert find_reachable(None, [Endpoint("127.0.0.1", Ports.one(5))]) == (
        Reachable(Endpoint("127.0.0.1", Ports.one(5)), "listen"),
    )


def test_else_it_is_the_source_address_of_the_default_route(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def source(family: socket.AddressFamily) -> str:
        asked.append(family)
        return "198.51.100.7" if family == socket.AF_INET else "2001:db8::7"

    monkeypatch.setattr(reach, "_route_source", source)
    assert find(ANYWHERE) == [("198.51.100.7:443", "route")]
    assert find(Endpoint("::", Ports.one(443))) == [("[2001:db8::7]:443", "route")]
    assert asked == [socket.AF_INET, socket.AF_INET6]


@pytest.mark.parametrize(("wildcard", "loopback"), [("0.0.0.0", "127.0.0.1"), ("::", "::1")])  # noqa: S104 - not bound
def test_without_a_route_only_this_machine_can(
    monkeypatch: pytest.MonkeyPatch, wildcard: str, loopback: str
) -> None:
    monkeypatch.setattr(reach, "_route_source", lambda family: None)
    assert find_reachable(None, [Endpoint(wildcard, Ports.one(1))]) == (
        Reachable(Endpoint(loopback, Ports.one(1)), "none"),
    )


def test_asking_the_routing_table_never_fails() -> None:
    for family in (socket.AF_INET, socket.AF_INET6):
        host = reach._route_source(family)
        assert host is None or socket.inet_pton(family, host)


@pytest.mark.parametrize(
    ("host", "private"),
    [("10.0.0.1", True), ("192.168.1.1", True), ("100.64.0.1", True), ("fd00::1", True), ("8.8.8.8", False),
     ("2606:4700::1", False), ("ext.example.net", False)],
)  # fmt: skip
def test_a_private_address_is_told_apart(host: str, private: bool) -> None:
    assert Reachable(Endpoint(host, Ports.one(1)), "route").is_private is private


@pytest.mark.parametrize(
    ("advertise", "found"),
    [
        ([], ["198.51.100.9:443", "rawtcp://198.51.100.9:8443"]),
        # A host is that of all; ports without a carrier are those of UDP.
        (["a.example"], ["a.example:443", "rawtcp://a.example:8443"]),
        (["a.example:9"], ["a.example:9", "rawtcp://a.example:8443"]),
        (["a.example:9", "rawtcp://b.example:7"], ["a.example:9", "rawtcp://b.example:7"]),
        # What is for one carrier leaves the other as it is.
        (["rawtcp://b.example:7-8"], ["198.51.100.9:443", "rawtcp://b.example:7-8"]),
        (["udp://b.example"], ["b.example:443", "rawtcp://198.51.100.9:8443"]),
    ],
)
def test_each_carrier_is_advertised_for_itself(advertise: list[str], found: list[str]) -> None:
    both = Endpoint("198.51.100.9", Ports.one(443)), RAW
    assert [endpoint for endpoint, _ in find(*both, *advertise)] == found


def test_ports_without_a_carrier_are_those_of_the_only_one() -> None:
    assert find(RAW, "a.example:443") == [("rawtcp://a.example:443", "given")]
    assert find(RAW, "a.example") == [("rawtcp://a.example:8443", "given")]
