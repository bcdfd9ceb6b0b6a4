"""Listeners."""

import pytest

from ginnel.api.client import Client
from ginnel.errors import ConfigError, ListenError
from tests.fake_engine import Engine


async def test_a_listener_has_the_address_it_got_and_closes_once(
    client: Client, engines: list[Engine]
) -> None:
    async with await client.socks5() as listener:
        assert listener.address == ("127.0.0.1", 1081)
        host, port = listener.address
        assert repr(listener) == f"<ginnel.Listener {host}:{port}>"
    await listener.aclose()
    assert repr(listener).endswith("closed>")
    assert engines[0].calls[1:] == [("listen_socks5", "127.0.0.1", 0, None, None), ("close_listener", 7)]


async def test_a_listener_closes_quietly_after_its_client(client: Client) -> None:
    listener = await client.socks5("[::1]:1080", username="anna", password="secret")
    await client.aclose()
    await listener.aclose()


@pytest.mark.parametrize(
    ("username", "password"),
    [("anna", None), (None, "x"), ("", "x"), ("anna", ""), ("a" * 256, "x"), ("a", "ü" * 128)],
)
async def test_credentials_that_rfc_1929_cannot_carry(
    client: Client, username: str | None, password: str | None
) -> None:
    with pytest.raises(ConfigError) as caught:
        await client.socks5(username=username, password=password)
    assert not password or password not in str(caught.value) or password == "x"


async def test_an_address_in_use(client: Client) -> None:
    Engine.busy_ports.add(1080)
    with pytest.raises(ListenError, match=r"127.0.0.1:1080 is in use by another program"):
        await client.socks5("1080")
