"""Addresses as people write them."""

import contextlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ginnel.config.address import (
    Address,
    normal_host,
    parse_ip,
    parse_listen,
    parse_listen_ports,
    parse_reachable,
)
from ginnel.config.ports import Ports
from ginnel.errors import ConfigError

ADDRESSES = st.ip_addresses()
WILDCARD = "0.0.0.0"  # noqa: S104 - text; nothing is bound
PORTS = st.integers(0, 65535)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8080", ("127.0.0.1", 8080)),
        (":8080", ("127.0.0.1", 8080)),
        ("0", ("127.0.0.1", 0)),
        ("0.0.0.0:443", (WILDCARD, 443)),
        ("[::1]:1080", ("::1", 1080)),
        ("[2001:DB8::0:1]:1", ("2001:db8::1", 1)),
        ("localhost:1080", ("127.0.0.1", 1080)),
        (" 127.0.0.1:1 ", ("127.0.0.1", 1)),
    ],
)
def test_listen_addresses(text: str, expected: tuple[str, int]) -> None:
    assert parse_listen(text, default_host="127.0.0.1") == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "has no port"),
        ("127.0.0.1", "has no port"),
        ("example.org:80", "needs an IP address"),
        ("127.0.0.1:", "has no valid port"),
        ("127.0.0.1:65536", "has no valid port"),
        ("127.0.0.1:-1", "has no valid port"),
        ("127.0.0.1:١", "has no valid port"),
        ("70000", "has no valid port"),
        ("::1:1080", "is ambiguous"),
        ("[::1:1080", "has brackets that do not fit"),
        ("[::1]1080", "has brackets that do not fit"),
        ("[127.0.0.1]:80", "has brackets that do not fit"),
        ("[::1]", "has no port"),
        ("[fe80::1%eth0]:80", "needs an IP address"),
        ("300.0.0.1:80", "needs an IP address"),
        ("*:80", "needs an IP address"),
    ],
)
def test_bad_listen_addresses_are_told_with_what_would_be_right(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        parse_listen(text, default_host="127.0.0.1", setting="--listen")
    assert str(caught.value).startswith("--listen = ")
    assert caught.value.hint
    assert caught.value.setting == "--listen"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4433", "0.0.0.0:4433"),
        ("4433,5000-5100", "0.0.0.0:4433,5000-5100"),
        (" 5000 - 5001 , 4433 ", "0.0.0.0:4433,5000-5001"),
        (":1-2", "0.0.0.0:1-2"),
        ("[::1]:443,444,446", "[::1]:443-444,446"),
        ("localhost:0", "127.0.0.1:0"),
    ],
)
def test_ports_to_listen_on(text: str, expected: str) -> None:
    endpoint = parse_listen_ports(text, default_host=WILDCARD)
    assert str(endpoint) == expected
    assert parse_listen_ports(expected, default_host="::") == endpoint
    assert endpoint.address == Address(endpoint.host, endpoint.ports.first)


@pytest.mark.parametrize(
    ("text", "complaint", "right"),
    [
        ("127.0.0.1", "has no port", "4433,5000-5100"),
        ("127.0.0.1:", "has no valid port", "4433,5000-5100"),
        ("127.0.0.1:1-2-3", "has no valid port", "0 to 65535"),
        ("1,,2", "has no valid port", "0 to 65535"),
        ("70000", "has no valid port", "0 to 65535"),
        ("9-8", "has a range that runs backwards", "Write 8-9."),
        ("1-257", "has 257 ports", "at most 256 ports in 16 ranges"),
        (",".join(str(port) for port in range(1, 35, 2)), "has 17 ranges", "at most 256 ports in 16 ranges"),
        ("0,5", "has port 0, which stands for any free port, beside others", "4433,5000-5100"),
        ("a.example:5", "needs an IP address", "127.0.0.1:1080"),
    ],
)
def test_bad_ports_are_told_with_what_would_be_right(text: str, complaint: str, right: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_listen_ports(text, default_host=WILDCARD, setting="--listen")
    assert str(caught.value) == f"--listen = {text!r} {complaint}" or complaint == "needs an IP address"
    assert right in caught.value.hint


@given(st.text(max_size=300))
def test_no_text_breaks_the_parsers(text: str) -> None:
    with contextlib.suppress(ConfigError):
        parse_listen(text, default_host="::")
    with contextlib.suppress(ConfigError):
        parse_listen_ports(text, default_host="::")
    with contextlib.suppress(ConfigError):
        parse_reachable(text)


def test_an_error_repeats_no_more_than_a_little() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_reachable("x" * 10_000)
    assert len(str(caught.value)) < 200


@given(ADDRESSES, PORTS)
def test_what_is_written_can_be_read(ip: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
    address = Address(str(ip), port)
    assert parse_listen(str(address), default_host=WILDCARD) == address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ext.example.net", ("ext.example.net", None)),
        ("EXT.Example.net.:443", ("ext.example.net", Ports.one(443))),
        ("203.0.113.7", ("203.0.113.7", None)),
        ("203.0.113.7:1", ("203.0.113.7", Ports.one(1))),
        ("2001:db8::1", ("2001:db8::1", None)),
        ("[2001:db8::1]", ("2001:db8::1", None)),
        ("[2001:db8::1]:9", ("2001:db8::1", Ports.one(9))),
        ("a.example:5000-5100,443", ("a.example", Ports(((443, 443), (5000, 5100))))),
        ("[2001:db8::1]:9,10", ("2001:db8::1", Ports.run(9, 2))),
        ("xn--bcher-kva.example", ("xn--bcher-kva.example", None)),
    ],
)
def test_reachable_addresses(text: str, expected: tuple[str, Ports | None]) -> None:
    assert parse_reachable(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", ".", "a..b", "-a.example", "a-.example", "bücher.example", "a b", "a/b", "x" * 64 + ".example",
     ".".join(["abcdefgh"] * 30), "300.1.2.3", "1.2.3", "host:0", "host:99999", "fe80::1%eth0"],
)  # fmt: skip
def test_hosts_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_reachable(text)
    assert caught.value.hint


def test_a_host_has_one_normal_form() -> None:
    assert normal_host(" Example.ORG. ") == "example.org"
    assert normal_host("2001:DB8:0::1") == "2001:db8::1"


def test_what_an_address_is() -> None:
    assert Address(WILDCARD, 1).is_wildcard
    assert Address("::", 1).is_wildcard
    assert Address("127.9.9.9", 1).is_loopback
    assert Address("::1", 1).is_loopback
    assert not Address("192.0.2.1", 1).is_loopback
    assert not Address("localhost.example", 1).is_wildcard
    assert parse_ip("fe80::1%eth0") is None
    assert str(Address("::1", 2)) == "[::1]:2"
    assert Address("a", 1) == ("a", 1)


def test_a_host_that_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="host is of type NoneType"):
        normal_host(None)  # type: ignore[arg-type]  # the mistake is the test
