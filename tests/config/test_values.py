"""What a person decides, as values."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ginnel.config.address import Address
from ginnel.config.limits import Limits, Timeouts
from ginnel.config.ports import Ports
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
