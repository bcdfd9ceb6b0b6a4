"""What a person decides, as values."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ginnel.config.address import Address, Advertised, Endpoint
from ginnel.config.carrier import Carrier
from ginnel.config.limits import Limits, Timeouts
from ginnel.config.ports import Ports
from ginnel.config.profile import Profile
from ginnel.config.rawtcp import RawTcpConfig
from ginnel.config.secret import Secret
from ginnel.config.sharelink import ServerEntry, ShareLink
from ginnel.config.values import MAX_LINKS, ClientConfig, ServerConfig, Socks5Config
from ginnel.errors import ConfigError

LINK = ShareLink(
    servers=(
        ServerEntry(
            host="192.0.2.1",
            ports=Ports.one(5),
            public_key=bytes(32),
            psk=Secret(bytes(32)),
            private_key=Secret(bytes(range(32))),
        ),
    ),
)
ADDRESS = Address("127.0.0.1", 1080)


def test_the_engine_is_told_every_setting_of_the_role() -> None:
    server = ServerConfig.build(
        state=Path("s"), limits=Limits(links=7), timeouts=Timeouts(connect_seconds=3.0)
    )
    client = ClientConfig.build(link=LINK)
    told = server.engine_limits()
    assert (told["links"], told["connect"], told["tcp_buffer"]) == (7, 3, 65_536)
    assert "link_wait" not in told
    assert client.engine_limits()["link_wait"] == 10
    assert "links" not in client.engine_limits()


def test_equal_settings_are_equal_written_out_or_not() -> None:
    assert ServerConfig.build(state=Path("s"), limits=Limits(links=4096)) == ServerConfig.build(
        state=Path("s")
    )


def test_settings_that_do_not_fit_are_told() -> None:
    with pytest.raises(ConfigError, match="links is no setting of a client"):
        ClientConfig.build(link=LINK, limits=Limits(links=7))
    with pytest.raises(ConfigError, match="half_closed_seconds = 10000 is more than stream_idle_seconds"):
        ServerConfig.build(state=Path("s"), timeouts=Timeouts(half_closed_seconds=10000.0))


def test_passwords_are_masked() -> None:
    listener = Socks5Config(address=ADDRESS, username="me", password=SecretStr("PASSWORD"))
    config = ClientConfig.build(link=LINK, socks5=(listener,))
    for shown in (repr(listener), str(listener), repr(config), str(config), config.model_dump_json()):
        assert "PASSWORD" not in shown
    assert listener.reveal_password() == "PASSWORD"
    assert str(listener) == "127.0.0.1:1080 with a password"


@pytest.mark.parametrize(
    ("username", "password", "error"),
    [
        ("me", None, "together, or neither"),
        (None, "SECRET", "together, or neither"),
        ("", "SECRET", "username: 1 to 255 bytes"),
        ("me", "SECRET" * 50, "password: 1 to 255 bytes"),
        ("me", "SECRET\udc80", "password: 1 to 255 bytes"),
    ],
)
def test_credentials_that_socks5_cannot_carry(username: str | None, password: str | None, error: str) -> None:
    with pytest.raises(ConfigError, match=error) as caught:
        Socks5Config.build(
            address=ADDRESS, username=username, password=None if password is None else SecretStr(password)
        )
    assert "SECRET" not in str(caught.value)


def test_a_client_carries_what_its_link_asks_for_unless_it_is_told_otherwise() -> None:
    kcp = LINK.model_copy(update={"session": "kcp"})
    assert ClientConfig.build(link=LINK).own_session() == "quic"
    assert ClientConfig.build(link=kcp).own_session() == "kcp"
    assert ClientConfig.build(link=kcp, session="quic").own_session() == "quic"
    assert ClientConfig.build(link=LINK, session="kcp").own_session() == "kcp"


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"links": 0}, "links = 0 is too small"),
        ({"links": 17}, "links = 17 is too large"),
        ({"links": 2.0}, "links = 2.0 is not a whole number"),
        ({"session": "tcp"}, "session: Input should be 'quic' or 'kcp'"),
    ],
)
def test_a_number_of_links_or_a_session_that_cannot_be(settings: dict[str, Any], error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ClientConfig.build(link=LINK, **settings)
    assert str(caught.value) == error
    assert ClientConfig.build(link=LINK, links=MAX_LINKS).links == 16


BOTH = LINK.servers[0], LINK.servers[0].model_copy(update={"carrier": "rawtcp", "ports": Ports.one(443)})


@pytest.mark.parametrize(
    ("servers", "carrier", "tried"),
    [
        (BOTH, None, ["192.0.2.1:5", "rawtcp://192.0.2.1:443"]),
        (BOTH, "rawtcp", ["rawtcp://192.0.2.1:443"]),
        (BOTH, "udp", ["192.0.2.1:5"]),
        # A link that has none with the carrier: the same hosts and ports with it.
        (BOTH[:1], "rawtcp", ["rawtcp://192.0.2.1:5"]),
        (BOTH[1:], "udp", ["192.0.2.1:443"]),
        (BOTH[1:], None, ["rawtcp://192.0.2.1:443"]),
    ],
)
def test_a_client_tries_the_servers_of_its_carrier(
    servers: tuple[ServerEntry, ...], carrier: Carrier | None, tried: list[str]
) -> None:
    config = ClientConfig.build(link=ShareLink(servers=servers), carrier=carrier)
    assert [str(server.endpoint) for server in config.own_servers()] == tried


def test_a_client_of_raw_tcp_has_the_letters_that_its_link_does_not_say() -> None:
    psk = LINK.servers[0].psk
    profile = Profile.derive(psk, "light").model_copy(update={"printable": (20, 21)})
    for link in (LINK, ShareLink(servers=BOTH[:1], profile=profile)):
        own = ClientConfig.build(link=link, carrier="rawtcp").own_profile()
        assert own.printable == Profile.derive(psk, own.preset or "balanced").printable
    both = ClientConfig.build(link=ShareLink(servers=BOTH, profile=profile))
    assert both.own_profile() == profile


UDP, RAW = Endpoint("127.0.0.1", Ports.one(1)), Endpoint("127.0.0.1", Ports.one(2), "rawtcp")


@pytest.mark.parametrize(
    ("settings", "carriers"),
    [
        ({}, ("udp",)),
        ({"ports": 5}, ("udp",)),
        ({"listen": (UDP,)}, ("udp",)),
        ({"listen": (RAW,)}, ("rawtcp",)),
        ({"listen": (RAW,), "ports": 5}, ("udp", "rawtcp")),
        ({"listen": (RAW, UDP)}, ("rawtcp", "udp")),
    ],
)
def test_a_server_listens_with_udp_unless_it_is_told_otherwise(
    settings: dict[str, Any], carriers: tuple[str, ...]
) -> None:
    assert ServerConfig.build(state=Path("s"), **settings).carriers() == carriers


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"listen": ()}, "listen has none or several places for a carrier"),
        ({"listen": (RAW, RAW)}, "listen has none or several places for a carrier"),
        ({"listen": (RAW, UDP), "ports": 5}, "both listen and ports are given"),
        (
            {"rawtcp": RawTcpConfig(source="192.0.2.1")},
            "rawtcp.source belongs to a client, and this is a server",
        ),
        (
            {"advertise": (Advertised("a.example", None, "rawtcp"),)},
            "advertise names rawtcp://a.example, and the server does not listen with rawtcp",
        ),
        (
            {"listen": (RAW,), "advertise": (Advertised("a.example", Ports.one(5), "udp"),)},
            "advertise names udp://a.example:5, and the server does not listen with udp",
        ),
    ],
)
def test_places_that_do_not_fit_are_told(settings: dict[str, Any], error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ServerConfig.build(state=Path("s"), **settings)
    assert str(caught.value) == error
    assert caught.value.hint
