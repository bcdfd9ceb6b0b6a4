"""A server answers nobody who lacks the keys, whatever is sent to it, and whoever has them notices nothing of it."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ginnel.config.secret import Secret
from ginnel.config.sharelink import ShareLink

from .figures import figures, links
from .machine import descriptors, resident_memory, stored_bytes, threads, udp_drops, udp_sockets
from .prober import Prober
from .process import Process
from .program import LOOPBACK, Client, Server, beside_loop, command, environment, over_sessions
from .socks import connected
from .strangers import LONGEST, SHAPES, flipped, spliced, truncated
from .streams import Received, close, payload, read_to_end, send
from .targets import echo, read_then_answer, serve, source
from .udp_proxy import udp_proxy

PROXY_HOST = "127.0.0.6"
LIVE_SIZE = 2_000_000
FLOOD = 20_000
FLOOD_SIZE = 1200
MEMORY_SLACK = 8 * 1024 * 1024
"""Bytes by which a server's memory may move under a flood of 24 MB; what allocators keep, not what was sent."""


@asynccontextmanager
async def live_downloads(client: Client) -> AsyncIterator[None]:
    """Downloads one after another through `client`, each checked; at least one lies within the body."""
    over = asyncio.Event()
    data = payload(LIVE_SIZE, 5)
    completed = 0

    async def downloads(target: tuple[str, int]) -> None:
        nonlocal completed
        while not over.is_set() or completed == 0:
            async with asyncio.timeout(60), connected(client.socks, target) as (reader, _):
                assert await read_to_end(reader) == Received.whole(data)
            completed += 1

    async with serve(source(data, pause=0.01)) as target, asyncio.TaskGroup() as group:
        group.create_task(downloads(target.address))
        try:
            yield
        finally:
            over.set()


@over_sessions
@pytest.mark.parametrize("shape", SHAPES)
async def test_strangers_get_no_answer(server: Server, client: Client, shape: str) -> None:
    draw = random.Random()
    await one_echo(client)
    before = links(figures(server))
    assert before[0] == 1
    async with live_downloads(client), Prober(server.process.pid, server.port) as prober:
        await prober.send(SHAPES[shape](draw))
        await prober.silence()
        # The link beside it is the same one, and nobody is on the way in.
        assert links(figures(server)) == before


async def test_not_one_packet_leaves(tmp_path: Path) -> None:
    """Not to the stranger, and to nobody else either: a server that has no link has nothing to say to anybody."""
    draw = random.Random()
    with Server(tmp_path / "state") as server:
        memory = resident_memory(server.process.pid)
        async with Prober(server.process.pid, server.port) as prober:
            for shape in SHAPES.values():
                await prober.send(shape(draw))
            await prober.silence()
        seen = figures(server)
        assert links(seen) == (0, 0, 0)
        assert seen["counters"]["datagrams_received"] > LONGEST
        assert seen["counters"]["datagrams_sent"] == 0
        assert resident_memory(server.process.pid) - memory < MEMORY_SLACK


@over_sessions
async def test_a_client_answers_strangers_no_more_than_a_server(client: Client) -> None:
    sockets = udp_sockets(client.process.pid)
    draw = random.Random()
    async with live_downloads(client), Prober(client.process.pid, sockets[0].port) as prober:
        for shape in SHAPES.values():
            await prober.send(shape(draw))
        await prober.silence()


async def test_a_flood_leaves_nothing_behind(server: Server) -> None:
    """Memory, descriptors, threads and files are as before."""
    pid, draw = server.process.pid, random.Random()
    noise = [draw.randbytes(FLOOD_SIZE) for _ in range(1000)]
    async with Prober(pid, server.port) as prober:
        await prober.send(noise * 3)
        before = descriptors(pid), threads(pid), stored_bytes(server.state)
        memory = resident_memory(pid)
        for _ in range(FLOOD // len(noise)):
            await prober.send(noise)
        await prober.silence()
    assert (descriptors(pid), threads(pid), stored_bytes(server.state)) == before
    assert resident_memory(pid) - memory < MEMORY_SLACK


async def some_traffic(client: Client) -> None:
    """Streams in both directions, each small enough for the smallest of receive buffers: nothing may be dropped."""
    up, down = payload(30_000, 1), payload(30_000, 2)
    for _ in range(20):
        async with (
            serve(read_then_answer(down)) as target,
            connected(client.socks, target.address) as (reader, writer),
        ):
            await send(writer, up)
            writer.write_eof()
            assert await read_to_end(reader) == Received.whole(down)
            assert await target.outcome() == Received.whole(up)
            await close(writer)


async def one_echo(client: Client) -> None:
    """Whether the link works."""
    async with serve(echo) as target, connected(client.socks, target.address) as (reader, writer):
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"


def tampered(recorded: list[bytes]) -> list[bytes]:
    """Truncated, bit-flipped and spliced: the handshake and the first data packets."""
    draw = random.Random()
    first = recorded[:6]
    made = spliced(recorded[:200], draw)
    for datagram in first:
        made += truncated(datagram) + flipped(datagram, draw)
    return made


@over_sessions
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["restart", "restart_after_a_crash"])
async def test_recorded_datagrams_are_never_answered(
    session: str, tmp_path: Path, end: signal.Signals
) -> None:
    """Replayed at once, after a second, after the client has gone and after a restart; tampered with each time."""
    state = tmp_path / "state"
    async with beside_loop(lambda: Server(state, session=session, advertise=PROXY_HOST)) as server:
        port, pid = server.port, server.process.pid
        async with udp_proxy(PROXY_HOST, port) as proxy:
            async with beside_loop(lambda: Client(server.link, tmp_path)) as client:
                await some_traffic(client)
                async with Prober(pid, port) as prober:
                    # What the server has not read is new to it, and then it would be right to answer.
                    assert udp_drops(pid, port) == 0
                    await prober.send(proxy.sent)
                    await prober.silence()
                    await prober.send(proxy.sent)
                    await prober.send(tampered(proxy.sent))
                    await prober.silence()
                    await one_echo(client)
            recorded = proxy.sent
            assert len(recorded) > 100
            async with Prober(pid, port) as prober:
                await prober.send(recorded)
                await prober.silence()
        if end == signal.SIGKILL:
            server.process.kill()
        else:
            await asyncio.to_thread(server.process.stop, end)

    # No proxy any more: the new server names itself.
    listen = f"127.0.0.1:{port}"
    async with (
        beside_loop(lambda: Server(state, session=session, listen=listen)) as restarted,
        Prober(restarted.process.pid, port) as prober,
    ):
        await prober.send(recorded)
        await prober.silence()
        await prober.send(recorded + tampered(recorded))
        async with beside_loop(lambda: Client(restarted.link, tmp_path)) as client:
            await one_echo(client)
            await prober.send(recorded)
            await prober.silence()
            await one_echo(client)


def impostor(link: str, host: str, **changed: Secret) -> str:
    """A share link like `link` with another key in it, and another host."""
    parsed = ShareLink.parse(link)
    servers = tuple(server.model_copy(update={"host": host, **changed}) for server in parsed.servers)
    return parsed.model_copy(update={"servers": servers}).to_text()


async def refused(server: Server, tmp_path: Path, link: str, cause: str) -> None:
    """A client with this link asks again and again; the server counts the cause and says nothing at all."""
    argv = command("client", "-", "-D", f"{LOOPBACK}:0")
    async with udp_proxy(PROXY_HOST, server.port) as proxy:
        client = Process(argv, stdin=link + "\n", env=environment(tmp_path))
        try:
            async with asyncio.timeout(20):
                while (await asyncio.to_thread(figures, server))["drops"][cause] < 2:
                    pass  # To ask takes its time.
        finally:
            client.kill()
        assert len(proxy.sent) >= 2
        assert proxy.received == []
    seen = await asyncio.to_thread(figures, server)
    assert (links(seen), seen["counters"]["datagrams_sent"]) == ((0, 0, 0), 0)


async def test_the_right_secret_and_an_unknown_user(tmp_path: Path) -> None:
    async with beside_loop(lambda: Server(tmp_path / "state")) as server:
        link = impostor(server.link, PROXY_HOST, private_key=Secret.generate())
        await refused(server, tmp_path, link, "handshake_unknown_user")


async def test_a_known_user_and_the_wrong_secret(tmp_path: Path) -> None:
    async with beside_loop(lambda: Server(tmp_path / "state")) as server:
        await refused(server, tmp_path, impostor(server.link, PROXY_HOST, psk=Secret.generate()), "not_ours")


async def test_what_was_recorded_means_nothing_to_another_server_of_the_deployment(tmp_path: Path) -> None:
    """One secret, another key of its own, the same user by name: what was meant for one is noise to the other."""
    first, second = tmp_path / "first" / "state", tmp_path / "second" / "state"
    first.parent.mkdir()
    async with beside_loop(lambda: Server(first, advertise=PROXY_HOST)) as server:
        port = server.port
        async with udp_proxy(PROXY_HOST, port) as proxy:
            async with beside_loop(lambda: Client(server.link, tmp_path)) as client:
                await some_traffic(client)
            recorded = proxy.sent
    assert len(recorded) > 100
    shutil.copytree(first, second, ignore=shutil.ignore_patterns("control", "lock", "replay"))
    kept = json.loads((second / "server.json").read_text())
    kept |= {"private_key": Secret.generate().reveal().hex(), "ports": None, "reachable": None}
    (second / "server.json").write_text(json.dumps(kept))
    async with beside_loop(lambda: Server(second)) as other:
        parsed = ShareLink.parse(other.link)
        assert parsed.servers[0].psk == ShareLink.parse(server.link).servers[0].psk
        async with Prober(other.process.pid, other.port) as prober:
            await prober.send(recorded)
            await prober.silence()
            await prober.send(tampered(recorded))
            await prober.silence()
        seen = figures(other)
        assert (links(seen), seen["counters"]["datagrams_sent"]) == ((0, 0, 0), 0)
        # It lives, and answers those who mean it.
        async with beside_loop(lambda: Client(other.link, tmp_path)) as client:
            await one_echo(client)
