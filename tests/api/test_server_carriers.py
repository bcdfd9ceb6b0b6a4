"""The server's carriers: where it listens, what its links name, what it keeps."""

from pathlib import Path

import pytest

from ginnel.api.links import stored_link
from ginnel.api.server import Server
from ginnel.config.ports import Ports
from ginnel.config.rawtcp import RawTcpConfig
from ginnel.config.sharelink import ShareLink
from ginnel.config.state import StateDirectory
from ginnel.errors import ConfigError, ListenError, RightsError
from tests.fake_engine import Engine

BOTH = ["127.0.0.1:4433", "rawtcp://127.0.0.1:8443"]


async def test_a_source_is_refused_for_listen_says_it(engines: list[Engine], state: Path) -> None:
    with pytest.raises(ConfigError, match=r"^rawtcp\.source belongs to a client") as caught:
        Server(state=state, listen=BOTH, rawtcp=RawTcpConfig(source="127.0.0.1"))
    assert 'listen = "rawtcp://192.0.2.1:443"' in caught.value.hint
    assert engines == []


async def test_it_listens_with_two_carriers_and_its_links_name_both(
    engines: list[Engine], state: Path
) -> None:
    way = RawTcpConfig(interface="eth0", gateway="02:00:00:00:00:01")
    async with Server(state=state, listen=BOTH, rawtcp=way) as server:
        assert [str(place) for place in server.listening] == BOTH
        assert (server.address, server.ports) == (("127.0.0.1", 4433), Ports.one(4433))
        assert repr(server) == "<ginnel.Server on 127.0.0.1:4433 and rawtcp://127.0.0.1:8443>"
        link = ShareLink.parse(server.share_link())
        assert [str(one.endpoint) for one in link.servers] == BOTH
        assert len({(one.public_key, one.psk, one.private_key) for one in link.servers}) == 1
        kept = StateDirectory(state).read()
        assert kept is not None
        assert link.profile == kept.profile
    assert engines[0].config.listen == [
        ("udp", "127.0.0.1", [(4433, 4433)]),
        ("rawtcp", "127.0.0.1", [(8443, 8443)]),
    ]
    assert engines[0].config.rawtcp == {"interface": "eth0", "gateway": "02:00:00:00:00:01"}
    # Also from outside, with the server or without.
    assert stored_link(state, "default")[0] == link
    told, _ = stored_link(state, "default", ["a.example:1", "rawtcp://b.example"])
    assert [str(one.endpoint) for one in told.servers] == ["a.example:1", "rawtcp://b.example:8443"]
    # What is asked for at each start is not kept, and UDP's ports are.
    async with Server(state=state) as server:
        assert (server.port_origin, str(server.ports)) == ("kept", "4433")
        assert [one.carrier for one in ShareLink.parse(server.share_link()).servers] == ["udp"]


async def test_raw_tcp_alone_leaves_the_kept_ports_as_they_are(engines: list[Engine], state: Path) -> None:
    async with Server(state=state, listen="127.0.0.1:4433"):
        pass
    async with Server(state=state, listen="rawtcp://127.0.0.1:0") as server:
        assert (server.port_origin, str(server.listening[0])) == ("any", "rawtcp://127.0.0.1:40000")
        (one,) = ShareLink.parse(server.share_link()).servers
        assert str(one.endpoint) == "rawtcp://127.0.0.1:40000"
    async with Server(state=state) as server:
        assert (server.port_origin, server.ports) == ("kept", Ports.one(4433))


async def test_ports_are_drawn_beside_raw_tcp(engines: list[Engine], state: Path) -> None:
    async with Server(state=state, listen="rawtcp://127.0.0.1:443", ports=3) as server:
        assert (server.port_origin, server.ports.count) == ("drawn", 3)
        assert [place.carrier for place in server.listening] == ["udp", "rawtcp"]
        drawn = server.ports
    async with Server(state=state, listen="rawtcp://127.0.0.1:443", ports=3) as server:
        assert (server.port_origin, server.ports) == ("kept", drawn)
        assert [one.origin for one in server.reachable][1] == "listen"


async def test_a_port_of_raw_tcp_that_is_taken_is_told_once_and_as_such(
    engines: list[Engine], state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def draw(_: Server) -> Ports:
        drawn.append(Ports.one(50_000))
        return drawn[-1]

    monkeypatch.setattr(Server, "_draw", draw)
    async with Server(state=state):
        pass
    Engine.busy_ports.add(443)
    for fresh in (state, state.with_name("fresh")):
        with pytest.raises(ListenError, match=r"^rawtcp://127.0.0.1:443 is in use") as caught:
            await Server(state=fresh, listen="rawtcp://127.0.0.1:443", ports=1).start()
        # Neither drawn again, nor told to free a port of UDP.
        assert "--listen" not in caught.value.hint
    assert len(drawn) == 2


async def test_without_the_right_it_does_not_start_and_says_what_to_do(
    engines: list[Engine], state: Path
) -> None:
    Engine.rights = False
    with pytest.raises(RightsError, match="CAP_NET_RAW") as caught:
        await Server(state=state, listen=BOTH).start()
    assert "setcap" in caught.value.hint
    # It holds nothing afterwards, and UDP needs no right.
    async with Server(state=state, listen=BOTH[0]):
        pass


@pytest.mark.parametrize(
    "advertise", ["rawtcp://a.example", ["a.example", "b.example"], ["a.example", "tcp://a.example"]]
)
async def test_what_cannot_be_advertised_makes_no_user(
    engines: list[Engine], state: Path, advertise: str | list[str]
) -> None:
    async with Server(state=state, listen="127.0.0.1:4433"):
        pass
    with pytest.raises(ConfigError):
        stored_link(state, "anna", advertise)
    async with Server(state=state) as server:
        assert server.users() == ("default",)
