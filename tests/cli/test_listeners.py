"""The listeners of a running client."""

from typing import Any

import pytest
from pydantic import SecretStr

from ginnel.api.client import Client
from ginnel.cli._listeners import OpenListeners
from ginnel.cli._terminal import Terminal
from ginnel.config.address import Address
from ginnel.config.values import Socks5Config
from ginnel.errors import ListenError
from tests.config.test_values import LINK
from tests.fake_engine import Engine


def at(port: int, password: str | None = None, host: str = "127.0.0.1") -> Socks5Config:
    secret = None if password is None else SecretStr(password)
    return Socks5Config(
        address=Address(host, port), username=None if password is None else "me", password=secret
    )


def calls(engine: Engine) -> list[tuple[Any, ...]]:
    """What the engine was told about listeners since it was last asked: the port, or the listener's number."""
    told = [
        (call[0].partition("_")[0], call[2] if call[0] == "listen_socks5" else call[1])
        for call in engine.calls
    ]
    engine.calls.clear()
    return [one for one in told if one[0] in ("listen", "close")]


async def test_only_what_differs_is_closed_and_opened(
    engines: list[Engine], capsys: pytest.CaptureFixture[str]
) -> None:
    async with Client(LINK) as client:
        listeners = OpenListeners(client, Terminal())
        await listeners.open([at(1), at(2), at(0), at(0)])
        assert calls(engines[0]) == [("listen", 1), ("listen", 2), ("listen", 0), ("listen", 0)]
        await listeners.change([at(0), at(2), at(1), at(0)])
        assert calls(engines[0]) == []
        await listeners.change([at(2), at(0), at(3)])
        assert calls(engines[0]) == [("listen", 3), ("close", 7), ("close", 7)]
        assert set(listeners.wanted) == {at(0), at(2), at(3)}
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == ["socks5 127.0.0.1:1", "socks5 127.0.0.1:2"]
    assert out[-1] == "socks5 127.0.0.1:3"


@pytest.mark.usefixtures("capsys")
async def test_a_new_listener_on_an_old_ones_port_waits_for_it(engines: list[Engine]) -> None:
    async with Client(LINK) as client:
        listeners = OpenListeners(client, Terminal())
        await listeners.open([at(1), at(2)])
        calls(engines[0])
        await listeners.change([at(1, "PASSWORD"), at(2)])
        assert calls(engines[0]) == [("close", 7), ("listen", 1)]
        await listeners.change([at(1, "PASSWORD"), at(2, host="::1")])
        assert calls(engines[0]) == [("close", 7), ("listen", 2)]


@pytest.mark.usefixtures("capsys")
async def test_what_cannot_be_opened_leaves_things_as_they_were(engines: list[Engine]) -> None:
    Engine.busy_ports.add(99)
    async with Client(LINK) as client:
        listeners = OpenListeners(client, Terminal())
        await listeners.open([at(1), at(2)])
        calls(engines[0])
        with pytest.raises(ListenError, match=r"127\.0\.0\.1:99 is in use"):
            await listeners.change([at(1, "PASSWORD"), at(3), at(99)])
        assert calls(engines[0]) == [
            ("close", 7),  # 1, whose port is wanted
            ("listen", 1),
            ("listen", 3),
            ("listen", 99),
            ("close", 7),
            ("close", 7),
            ("listen", 1),
        ]
        assert set(listeners.wanted) == {at(1), at(2)}


async def test_an_open_listener_is_warned_about_unless_it_has_a_password(
    engines: list[Engine], capsys: pytest.CaptureFixture[str]
) -> None:
    async with Client(LINK) as client:
        listeners = OpenListeners(client, Terminal())
        await listeners.open([at(1, "PASSWORD", host="0.0.0.0")])  # noqa: S104 - what is warned about
        assert capsys.readouterr().err == ""
        await listeners.open([at(1, host="0.0.0.0")])  # noqa: S104 - what is warned about
        assert "lets everybody who can reach it use this tunnel" in capsys.readouterr().err
    assert engines[0].calls[1] == ("listen_socks5", "0.0.0.0", 1, "me", "PASSWORD")  # noqa: S104 - as asked
