"""Which address goes into share links."""

import socket

import pytest

from ginnel.api import reach
from ginnel.api.reach import Reachable, find_reachable
from ginnel.config.address import Endpoint
from ginnel.config.ports import Ports

ANYWHERE = Endpoint("0.0.0.0", Ports.one(443))  # noqa: S104 - nothing is bound


def test_what_is_given_wins() -> None:
    assert find_reachable(("ext.example.net", None), ANYWHERE) == Reachable(
        Endpoint("ext.example.net", Ports.one(443)), "given"
    )
    assert find_reachable(("ext.example.net", Ports.run(9, 2)), ANYWHERE).endpoint.ports == Ports.run(9, 2)


def test_a_concrete_address_is_reachable_as_itself() -> None:
    assert find_reachable(None, Endpoint("127.0.0.1", Ports.one(5))) == Reachable(
        Endpoint("127.0.0.1", Ports.one(5)), "listen"
    )


def test_else_it_is_the_source_address_of_the_default_route(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def source(family: socket.AddressFamily) -> str:
        asked.append(family)
        return "198.51.100.7" if family == socket.AF_INET else "2001:db8::7"

    monkeypatch.setattr(reach, "_route_source", source)
    assert find_reachable(None, ANYWHERE) == Reachable(Endpoint("198.51.100.7", Ports.one(443)), "route")
    assert find_reachable(None, Endpoint("::", Ports.one(443))) == Reachable(
        Endpoint("2001:db8::7", Ports.one(443)), "route"
    )
    assert asked == [socket.AF_INET, socket.AF_INET6]


@pytest.mark.parametrize(("wildcard", "loopback"), [("0.0.0.0", "127.0.0.1"), ("::", "::1")])  # noqa: S104 - not bound
def test_without_a_route_only_this_machine_can(
    monkeypatch: pytest.MonkeyPatch, wildcard: str, loopback: str
) -> None:
    monkeypatch.setattr(reach, "_route_source", lambda family: None)
    assert find_reachable(None, Endpoint(wildcard, Ports.one(1))) == Reachable(
        Endpoint(loopback, Ports.one(1)), "none"
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
