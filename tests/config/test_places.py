"""Where a server listens, and under which addresses it is reached: one place for each carrier."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ginnel.config.address import Advertised, Endpoint
from ginnel.config.mistakes import EntryMistake
from ginnel.config.places import Advertise, Listen, carriers_of
from ginnel.config.ports import Ports
from ginnel.errors import ConfigError

LISTEN = Listen("127.0.0.1")
UDP, RAW = Endpoint("127.0.0.1", Ports.one(5)), Endpoint("::1", Ports(((6, 6), (8, 9))), "rawtcp")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("5", (UDP,)),
        (5, (UDP,)),
        ("udp://5", (UDP,)),
        ("rawtcp://[::1]:6,8-9", (RAW,)),
        (["5", "rawtcp://[::1]:6,8-9"], (UDP, RAW)),
        (["rawtcp://[::1]:6,8-9", 5], (RAW, UDP)),
    ],
)
def test_places_to_listen_are_read_and_spelled_again(raw: object, value: tuple[Endpoint, ...]) -> None:
    assert LISTEN.read(raw, "x") == value
    spelled = LISTEN.spell(value)
    assert LISTEN.read(eval(spelled), "x") == value  # noqa: S307 - a list of strings is the same in both languages
    assert carriers_of(value) == tuple(place.carrier for place in value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", "127.0.0.1:8"),
        ("4433, 5000-5001", "127.0.0.1:4433,5000-5001"),
        ("udp://1, 2 rawtcp://3", "127.0.0.1:1-2 rawtcp://127.0.0.1:3"),
        ("4433,rawtcp://[::1]:443", "127.0.0.1:4433 rawtcp://[::1]:443"),
        (" rawtcp://[::1]:443 ", "rawtcp://[::1]:443"),
    ],
)
def test_texts_of_flags_and_variables_may_have_several(text: str, value: str) -> None:
    assert LISTEN.show(LISTEN.read_text(text, "x")) == value


@pytest.mark.parametrize(
    ("raw", "error", "hint"),
    [
        (70_000, "x = '70000' has no valid port", "0 to 65535"),
        (1.5, "x = 1.5 is not a string", "127.0.0.1"),
        ("rawtcp://0.0.0.0", "x = '0.0.0.0' has no port", "4433,5000-5100"),
        ("tcp://443", "x = 'tcp://443' has tcp://, which is no carrier", "rawtcp://"),
        ([], "x = [] is an empty list", "One for each carrier"),
        (["1", "rawtcp://2", "3"], "x = […] has 3 entries", "One for each carrier"),
        (["1", "udp://2"], 'x = "udp://2" is a second place for the same carrier', "One for each carrier"),
        (["1", 2.5], "x = 2.5 is not a string", "127.0.0.1"),
    ],
)
def test_what_is_no_place_to_listen_is_told(raw: object, error: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        LISTEN.read(raw, "x")
    assert str(caught.value) == error
    assert hint in caught.value.hint
    if isinstance(raw, list) and raw and len(raw) < 3:
        assert isinstance(caught.value, EntryMistake)
        assert caught.value.place == (1,)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("a.example:5-6", [Advertised("a.example", Ports.run(5, 2))]),
        ("2001:db8::1", [Advertised("2001:db8::1")]),
        (
            ["A.Example", "rawtcp://[2001:db8::1]", "udp://b.example:7"],
            [
                Advertised("a.example"),
                Advertised("2001:db8::1", None, "rawtcp"),
                Advertised("b.example", Ports.one(7), "udp"),
            ],
        ),
    ],
)
def test_places_to_be_reached_at(raw: object, value: list[Advertised]) -> None:
    kind = Advertise()
    assert kind.read(raw, "x") == tuple(value)
    assert kind.read([str(place) for place in value], "x") == tuple(value)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        ("a:0", "x = 'a:0' has port 0"),
        (["a", "b"], 'x = "b" is a second place for the same carrier'),
        (["rawtcp://a:1", "rawtcp://a:2"], "is a second place for the same carrier"),
        (["a", "rawtcp://a", "udp://a", "udp://b"], "has 4 entries"),
    ],
)
def test_what_is_no_place_to_be_reached_at_is_told(raw: object, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Advertise().read(raw, "x")
    assert error in str(caught.value)


PORTS = st.integers(1, 65_535)


@given(st.ip_addresses(), PORTS, st.ip_addresses(), PORTS)
def test_what_is_written_can_be_read(one: object, port: int, other: object, another: int) -> None:
    places = (
        Endpoint(str(one), Ports.one(port)),
        Endpoint(str(other), Ports.one(another), "rawtcp"),
    )
    assert LISTEN.read([str(place) for place in places], "x") == places
    assert LISTEN.read_text(LISTEN.show(places), "x") == places


@given(st.text(max_size=100) | st.lists(st.text(max_size=30), max_size=4))
def test_no_value_breaks_them(value: object) -> None:
    for kind in (LISTEN, Advertise()):
        try:
            kind.read(value, "x")
        except ConfigError as error:
            assert error.hint
