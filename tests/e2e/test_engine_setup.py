"""What the real engine takes of ports, servers and profiles, and how it says no."""

from collections.abc import Callable
from typing import Any

import pytest

from ginnel import _engine
from ginnel._setup import PLAIN_KCP, ClientSetup, ServerSetup
from ginnel.config.profile import FIELDS, Profile
from tests.e2e.program import LOOPBACK

KEY = bytes(32)
SERVER = ("udp", LOOPBACK, [(9, 9)], bytes(range(32)), KEY, KEY)


def client(**changes: Any) -> _engine.Engine:
    fields: dict[str, Any] = {"servers": [SERVER], **changes}
    return _engine.Engine.client(ClientSetup(**fields))


def refusal(make: Callable[[], object]) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        make()
    return str(caught.value)


@pytest.mark.parametrize("name", FIELDS)
def test_both_sides_have_the_same_fields_and_ranges(name: str) -> None:
    kind = FIELDS[name].kind
    client(profile={name: (kind.low, kind.high)})
    for bad in ((kind.low, kind.high + 1), (kind.low - 1, kind.high), (70_000, 70_001), (-2, -1)):
        said = refusal(lambda bad=bad: client(profile={name: bad}))  # type: ignore[misc]  # a lambda with a default
        assert said == (
            f"profile.{name} = [{bad[0]}, {bad[1]}] is not possible: both must be from {kind.low} to {kind.high}"
        )
    if kind.low < kind.high:
        assert "the first is the least" in refusal(lambda: client(profile={name: (kind.high, kind.low)}))


def test_a_field_that_there_is_not() -> None:
    assert refusal(lambda: client(profile={"junk": (1, 2)})) == (
        "profile.junk = [1, 2] is not possible: there is no such field"
    )


def test_a_running_engine_takes_another_profile_and_refuses_an_impossible_one() -> None:
    engine = client(profile=Profile.fresh("balanced").pairs())
    engine.set_limits(1, {"hop_interval": 5.0}, ("adaptive", None), Profile.fresh("light").pairs(), PLAIN_KCP)
    said = refusal(lambda: engine.set_limits(2, {}, ("adaptive", None), {"junk_count": (1, 17)}, PLAIN_KCP))
    assert said == "profile.junk_count = [1, 17] is not possible: both must be from 0 to 16"


@pytest.mark.parametrize(
    ("ports", "error"),
    [
        ([], "servers: ports: a server needs a port"),
        ([(9, 8)], "servers: ports: a range of ports begins with its least"),
        ([(1, 257)], "servers: ports: a server has at most 256 ports"),
        ([(0, 0)], "servers: ports: nobody can reach port 0"),
    ],
)
def test_ports_of_a_server_that_cannot_be(ports: list[tuple[int, int]], error: str) -> None:
    assert refusal(lambda: client(servers=[("udp", LOOPBACK, ports, KEY, KEY, KEY)])) == error


@pytest.mark.parametrize("at", [3, 4, 5])
def test_each_key_of_a_server_has_32_bytes(at: int) -> None:
    fields = list(SERVER)
    fields[at] = bytes(31)
    name = {3: "public key", 4: "psk", 5: "private key"}[at]
    assert refusal(lambda: client(servers=[SERVER, tuple(fields)])) == (
        f"servers: {name}: 32 bytes are needed, here are 31"
    )


def test_a_server_takes_a_set_of_ports(tmp_path_factory: pytest.TempPathFactory) -> None:
    def server(ports: list[tuple[int, int]], **changes: Any) -> _engine.Engine:
        return _engine.Engine.server(
            ServerSetup(
                listen=changes.get("listen", [("udp", LOOPBACK, ports)]),
                rawtcp=changes.get("rawtcp", {}),
                psk=KEY,
                previous_psk=None,
                private_key=KEY,
                users=[],
                allow_private=False,
                replay_file=str(tmp_path_factory.mktemp("state") / "replay"),
                profile=Profile.fresh("balanced").pairs(),
            )
        )

    ((carrier, host, port),) = server([(0, 0)]).local_addresses
    assert (carrier, host) == ("udp", LOOPBACK)
    assert port > 0
    assert refusal(lambda: server([(0, 1)])) == "listen: ports: port 0 stands alone, for any free port"
    assert refusal(lambda: server([])) == "listen: ports: a server needs a port"
    # And of carriers, each once.
    place = ("udp", LOOPBACK, [(0, 0)])
    for listen, error in (
        ([], "listen: a server needs a carrier"),
        ([place, place], 'listen: the carrier "udp" stands there twice'),
        ([("tcp", LOOPBACK, [(0, 0)])], 'listen: carrier: "tcp" is none of "udp", "rawtcp"'),
        ([("udp", "a.example", [(0, 0)])], 'listen: host: "a.example" is not an IP address'),
    ):
        assert refusal(lambda listen=listen: server([], listen=listen)) == error  # type: ignore[misc]  # a lambda with a default


@pytest.mark.parametrize(
    ("rawtcp", "error"),
    [
        ({"interfaec": "eth0"}, 'rawtcp: there is no "interfaec"'),
        ({"source": "a.example"}, 'rawtcp: source: "a.example" is not an IP address'),
        ({"gateway": "02:00:00:00:00"}, 'rawtcp: gateway: "02:00:00:00:00" is not a hardware address'),
        ({"gateway": "02:00:00:00:00:+1"}, 'rawtcp: gateway: "02:00:00:00:00:+1" is not a hardware address'),
        ({"gateway": "0200:00:00:00:01:"}, 'rawtcp: gateway: "0200:00:00:00:01:" is not a hardware address'),
    ],
)
def test_what_is_decided_about_raw_tcp_is_checked(rawtcp: dict[str, str], error: str) -> None:
    assert refusal(lambda: client(rawtcp=rawtcp)) == error
    client(rawtcp={"interface": "eth0", "source": "192.0.2.1", "gateway": "02:00:00:00:00:0a"})


def test_a_carrier_of_a_server_that_there_is_not() -> None:
    assert refusal(lambda: client(servers=[("tcp", *SERVER[1:])])) == (
        'servers: carrier: "tcp" is none of "udp", "rawtcp"'
    )


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"session": "tcp"}, 'session: "tcp" is none of "quic", "kcp"'),
        ({"links": 17}, "links = 17 is not between 1 and 16"),
        (
            {"kcp": ("faster", 8, None)},
            'kcp.mode: "faster" is none of "auto", "normal", "fast", "fast2", "fast3"',
        ),
        ({"kcp": ("auto", 17, None)}, "kcp.lanes: 1 to 16 are possible"),
        ({"kcp": ("fast3", 8, 31)}, "kcp.window: 32 to 32768 segments are possible"),
    ],
)
def test_sessions_and_pools_that_cannot_be(more: dict[str, Any], error: str) -> None:
    assert refusal(lambda: client(**more)) == error
