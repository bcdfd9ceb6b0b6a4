"""What a link is told about congestion holds in the engine: at the start, after a reload, for the end that is told."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import pytest

import ginnel
from ginnel import _engine
from ginnel._setup import PLAIN_KCP, ClientSetup
from ginnel.api.stats import LinkStats
from ginnel.config.congestion import Congestion

from .program import LOOPBACK, over_sessions
from .program import ginnel as program
from .targets import serve
from .test_run import SERVER, Run, client_file
from .udp_proxy import udp_proxy

PROXY_HOST = "127.0.0.31"
RATE = 200_000_000
"""Bits per second: far above what a link that has only just come up believes of its path."""
FIXED: dict[str, Any] = {"congestion": "fixed", "rate_bits_per_second": RATE}


def is_fixed(link: LinkStats | dict[str, Any]) -> bool:
    """Whether a link sends at the rate, or at what makes up for a fifth of loss at most."""
    pace = link["pace"]
    return pace is not None and RATE / 8 <= pace <= 1.25 * RATE / 8


def only_link(end: ginnel.Server | ginnel.Client) -> LinkStats:
    (link,) = end.stats()["links"]
    return link


def local_server(state: Path, **settings: Any) -> ginnel.Server:
    return ginnel.Server(listen=f"{LOOPBACK}:0", state=state, allow_private=True, **settings)


@over_sessions
@pytest.mark.parametrize("told", ["server", "client", "neither"])
async def test_each_end_decides_about_what_it_sends(session: str, tmp_path: Path, told: str) -> None:
    async with (
        local_server(tmp_path, session=session, **(FIXED if told == "server" else {})) as server,
        ginnel.Client(server.share_link(), **(FIXED if told == "client" else {})) as client,
    ):
        assert is_fixed(only_link(server)) == (told == "server")
        assert is_fixed(only_link(client)) == (told == "client")


async def test_a_reload_is_for_new_links(tmp_path: Path) -> None:
    async with local_server(tmp_path) as server, ginnel.Client(server.share_link("before")):
        before = only_link(server)["link"]
        config = server.config.model_copy(update=FIXED)
        report = await server.reload(config)
        assert [change.key for change in report.applied] == ["congestion", "rate"]
        async with ginnel.Client(server.share_link("after")):
            links = server.stats()["links"]
            assert [is_fixed(link) for link in links if link["link"] == before] == [False]
            assert [is_fixed(link) for link in links if link["link"] != before] == [True]
        await server.reload(config.model_copy(update={"congestion": "cubic", "rate_bits_per_second": None}))
        async with ginnel.Client(server.share_link("later")):
            assert not any(is_fixed(link) for link in server.stats()["links"])


@over_sessions
@pytest.mark.parametrize(("congestion", "is_cautious"), [("adaptive", False), ("cubic", True)])
async def test_cubic_takes_every_loss_for_congestion_and_the_default_does_not(
    session: str, tmp_path: Path, congestion: Congestion, is_cautious: bool
) -> None:
    """Behind a network that loses a tenth, cubic lets a few packets be in flight, and adaptive more than 32."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(bytes(500_000))
        writer.write_eof()

    async with (
        serve(answer) as target,
        local_server(tmp_path, session=session, congestion=congestion, advertise=PROXY_HOST) as server,
        udp_proxy(PROXY_HOST, server.address.port) as proxy,
        ginnel.Client(server.share_link()) as client,
    ):
        proxy.loss = 0.1
        reader, writer = await client.open_connection(target.host, target.port)
        writer.write(b"x")
        assert len(await reader.read()) == 500_000
        writer.close()
        link = only_link(server)
        assert link["lost"] > 0
        assert (link["window"] < 20_000) == is_cautious


async def test_the_program_reloads_it_from_its_file(tmp_path: Path) -> None:
    home, state = tmp_path / "server", tmp_path / "server" / "state"
    home.mkdir()
    with Run(home / "server.toml", SERVER, "ginnel://") as server:
        fixed = SERVER + 'congestion = "fixed"\nrate = "200 Mbit/s"\n'
        await server.reload(fixed, "rate: none is now 200 Mbit/s, for new links and streams")
        assert "congestion: adaptive is now fixed, for new links and streams" in server.process.stderr
        line = await server.reload(SERVER + 'congestion = "fixed"\n', "the old ones stay")
        assert 'server.toml:5: congestion = "fixed" needs a rate' in line
        client = client_file(server.ready, f'socks5 = "{LOOPBACK}:0"')
        with Run(tmp_path / "client.toml", client, "socks5 ") as running:
            await asyncio.to_thread(running.process.wait_said, "link up")
            asked = program("stats", "--state", str(state), "--json", home=tmp_path)
            (link,) = json.loads(asked.stdout[0])["links"]
            assert is_fixed(link)
            shown = program("stats", "--state", str(state), home=tmp_path)
            assert any(line.startswith("path ") and "paced at 2" in line for line in shown.stdout)


BAD: list[tuple[Any, str]] = [
    (("bbr", None), 'congestion: "bbr" is none of "adaptive", "cubic", "fixed"'),
    (("Fixed", 1e6), 'congestion: "Fixed" is none of "adaptive", "cubic", "fixed"'),
    (("fixed", None), 'congestion: "fixed" needs a rate, in bytes a second'),
    (("adaptive", 1e6), 'congestion: "adaptive" takes no rate; "fixed" does'),
    (("cubic", 1e6), 'congestion: "cubic" takes no rate; "fixed" does'),
] + [
    (("fixed", rate), f"congestion: rate = {shown} is not between 12500 and 12500000000 bytes a second")
    for rate, shown in [
        (math.nan, "NaN"),
        (math.inf, "inf"),
        (0.0, "0"),
        (-1e6, "-1000000"),
        (12_499.0, "12499"),
        (1.26e10, "12600000000"),
    ]
]


def setup(congestion: tuple[str, float | None]) -> ClientSetup:
    server = ("udp", LOOPBACK, [(9, 9)], bytes(range(32)), bytes(32), bytes(32))
    return ClientSetup(servers=[server], congestion=congestion)


@pytest.mark.parametrize(("congestion", "error"), BAD)
def test_the_engine_says_what_it_does_not_take(congestion: Any, error: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        _engine.Engine.client(setup(congestion))
    assert str(caught.value) == error
    engine = _engine.Engine.client(setup(("fixed", 12_500.0)))
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        engine.set_limits(1, {}, congestion, {}, PLAIN_KCP)
    assert str(caught.value) == error
    engine.set_limits(2, {}, ("fixed", 12_500_000_000.0), {}, PLAIN_KCP)
