"""What a person may decide about the way of raw TCP."""

import re

import pytest

from ginnel.config.kinds import Kind
from ginnel.config.rawtcp import GATEWAY, INTERFACE, SOURCE, RawTcpConfig
from ginnel.errors import ConfigError


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (INTERFACE, "eth0", "eth0"),
        (INTERFACE, "wg-home.100", "wg-home.100"),
        (INTERFACE, "x" * 15, "x" * 15),
        (SOURCE, " 192.0.2.1", "192.0.2.1"),
        (SOURCE, "2001:DB8:0::1", "2001:db8::1"),
        (GATEWAY, "02:00:00:00:00:0A", "02:00:00:00:00:0a"),
        (GATEWAY, "fc-ff-ff-ff-ff-ff", "fc:ff:ff:ff:ff:ff"),
    ],
)
def test_what_is_right_is_read_in_its_normal_form(kind: Kind, raw: str, value: str) -> None:
    assert kind.read(raw, "x") == value
    assert kind.read_text(raw, "x") == value
    assert kind.spell(kind.read(raw, "x")) == f'"{value}"'
    schema = kind.schema()
    assert re.search(schema.get("pattern", ""), raw)
    assert schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 99)


@pytest.mark.parametrize(
    ("kind", "raw", "error", "hint"),
    [
        (INTERFACE, "", "x = '' is not the name of an interface", "ginnel interfaces"),
        (INTERFACE, "x" * 16, "is not the name of an interface", "at most 15 letters"),
        (INTERFACE, "ü" * 8, "is not the name of an interface", "at most 15 letters"),
        (INTERFACE, "eth 0", "is not the name of an interface", '"eth0"'),
        (INTERFACE, "a/b", "is not the name of an interface", '"eth0"'),
        (INTERFACE, "eth0:1", "is not the name of an interface", '"eth0"'),
        (INTERFACE, "..", "is not the name of an interface", '"eth0"'),
        (INTERFACE, 0, "x = 0 is not a string", '"eth0"'),
        (SOURCE, "192.0.2.1:443", "is not an address of this machine", "Without port"),
        (SOURCE, "0.0.0.0", "is not an address of this machine", "ginnel interfaces"),  # noqa: S104 - nothing is bound
        (SOURCE, "ff02::1", "is not an address of this machine", "ginnel interfaces"),
        (SOURCE, "fe80::1%eth0", "is not an address of this machine", "ginnel interfaces"),
        (SOURCE, "a.example", "is not an address of this machine", '"192.0.2.1"'),
        (GATEWAY, "192.0.2.1", "is not a hardware address", '"02:00:00:00:00:01"'),
        (GATEWAY, "02:00:00:00:00", "is not a hardware address", "Six pairs"),
        (GATEWAY, "02:00-00:00:00:01", "is not a hardware address", "Six pairs"),
        (GATEWAY, "ff:ff:ff:ff:ff:ff", "is the address of no single machine", "ip neighbour"),
        (GATEWAY, "01:00:5e:00:00:01", "is the address of no single machine", "ip neighbour"),
        (GATEWAY, "00:00:00:00:00:00", "is the address of no single machine", "ip neighbour"),
    ],
)
def test_what_is_wrong_is_told_with_what_would_be_right(
    kind: Kind, raw: object, error: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        kind.read(raw, "x")
    assert error in str(caught.value)
    assert hint in caught.value.hint


def test_the_engine_is_told_only_what_is_decided() -> None:
    assert RawTcpConfig().engine() == {}
    config = RawTcpConfig(source="2001:DB8::1", gateway="02-00-00-00-00-01")
    assert config.engine() == {"source": "2001:db8::1", "gateway": "02:00:00:00:00:01"}


def test_a_mistake_names_the_setting() -> None:
    with pytest.raises(ConfigError, match=r"rawtcp.interface = 'a b' is not the name of an interface"):
        RawTcpConfig(interface="a b")
    with pytest.raises(ConfigError, match="unknown key 'gatewy'. Did you mean 'gateway'?"):
        RawTcpConfig(gatewy="x")  # type: ignore[call-arg]  # that there is none is the test
