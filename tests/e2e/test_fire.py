"""A server under fire: floods as fast as the machine sends, beside a live download.

Nothing is answered, nothing stays behind, the download goes on, and the next client comes in at once. The seconds of a
flood are 2, and 10 with GINNEL_E2E_FIRE_SECONDS=10, which is what the figures are taken with: pytest -s shows them.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from .figures import dropped, figures, links
from .flood import Fired, fire, keys
from .machine import resident_memory, udp_drops
from .program import Client, Server, beside_loop, over_sessions
from .socks import connected
from .streams import Progress, read_to_end
from .targets import echo, endless, serve

SECONDS = float(os.environ.get("GINNEL_E2E_FIRE_SECONDS", "2"))
GROWTH = 32_000_000
"""Bytes by which a server's memory may grow under fire."""
STALL = 10.0
"""Seconds in which a download must have moved on: a sign of life on a machine that has other things to do as well."""
WARM = 20_000_000
"""Bytes of a download after which its windows have grown and memory is what it will be."""
MIB = 1024 * 1024


@pytest.fixture
def server(session: str, tmp_path: Path) -> Iterator[Server]:
    """A server of its own: its memory and its figures are looked at."""
    with Server(tmp_path / "state", session=session) as running:
        yield running


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Iterator[Client]:
    """A client of its own."""
    with Client(server.link, tmp_path) as running:
        yield running


class Download:
    """A download without end that is looked at while it runs."""

    def __init__(self) -> None:
        self.progress = Progress()
        self.longest = 0.0
        """Seconds without a byte, at worst, since the last `mark`."""
        self._at = self._since = time.monotonic()
        self._size = 0

    def take(self, size: int) -> None:
        """So many bytes have come until now."""
        now = time.monotonic()
        self.longest, self._at = max(self.longest, now - self._at), now
        self.progress(size)

    def mark(self) -> None:
        """Look from here on."""
        self._at = self._since = time.monotonic()
        self._size, self.longest = self.progress.size, 0.0

    @property
    def moved(self) -> int:
        """Bytes since the last `mark`."""
        return self.progress.size - self._size

    @property
    def rate(self) -> float:
        """Bits a second since then."""
        return self.moved * 8 / (time.monotonic() - self._since)

    @property
    def stall(self) -> float:
        """The longest time without a byte since then, the present one included."""
        return max(self.longest, time.monotonic() - self._at)


@asynccontextmanager
async def download(client: Client) -> AsyncIterator[Download]:
    """A download through `client` that has run for a while."""
    live = Download()
    async with serve(endless()) as target, connected(client.socks, target.address) as (reader, _):
        reading = asyncio.create_task(read_to_end(reader, live.take))
        async with asyncio.timeout(60):
            await live.progress.reached(WARM)
        try:
            yield live
            assert not reading.done(), f"the download has ended: {reading.result()}"
        finally:
            reading.cancel()


@asynccontextmanager
async def closed_port() -> AsyncIterator[int]:
    """A UDP port on which nobody reads, that nobody else can take: bound to another address of loopback alone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.254", 0))
        yield held.getsockname()[1]


@over_sessions
@pytest.mark.parametrize("kind", ["random", "handshake"])
@pytest.mark.timeout(90 + 6 * SECONDS)
async def test_a_download_goes_on_under_fire(
    server: Server, client: Client, tmp_path: Path, kind: str
) -> None:
    """From many sources; by strangers, and by a holder of the deployment's secret who is no user."""
    pid, port = server.process.pid, server.port
    secret = keys(server.link) if kind == "handshake" else None
    more = ("--kind", kind, *(("--key-file", "-") if secret else ()))

    def under_fire(to: int, seconds: float, *count: str) -> Fired:
        return fire(to, pid, *more, *count, stdin=secret, seconds=seconds)

    async with download(client) as live:
        before, memory, drops = figures(server), resident_memory(pid), udp_drops(pid, port)
        live.mark()
        fired = await asyncio.to_thread(under_fire, port, SECONDS)
        rate, stall, moved = live.rate, live.stall, live.moved
        lost = udp_drops(pid, port) - drops
        grown, after = resident_memory(pid) - memory, figures(server)

        # The same number of datagrams as fast as before, or as the machine can, and nobody there.
        async with closed_port() as nowhere:
            live.mark()
            pace = ("--count", str(fired.datagrams), "--rate", str(int(fired.datagrams / fired.seconds)))
            control = await asyncio.to_thread(under_fire, nowhere, 4 * SECONDS, *pace)
            beside = live.rate

        heard = dropped(before, after)
        print(f"\n{kind}: {fired}\n  {lost:,} of them found the socket full; dropped by cause:", end="")
        print(*(f" {cause} {count:,}" for cause, count in heard.items() if count), sep="")
        print(
            f"  memory {grown / MIB:+.1f} MiB; download {rate / 1e6:,.0f} Mbit/s, longest stall {stall:.2f} s"
        )
        print(f"  control: {control}\n  download {beside / 1e6:,.0f} Mbit/s")

        assert grown < GROWTH
        assert moved > 0
        assert stall < STALL
        # One link from first to last, and no handshake was answered: all that left went to the one client.
        assert links(before) == links(after) == (1, 1, 0)
        # It was fire: it was read, and refused for the right reason.
        assert heard["not_ours" if kind == "random" else "handshake_unknown_user"] > 100

        # Who comes now comes in at once.
        async with (
            beside_loop(lambda: Client(server.link, tmp_path)) as other,
            serve(echo) as target,
            connected(other.socks, target.address) as (reader, writer),
        ):
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
