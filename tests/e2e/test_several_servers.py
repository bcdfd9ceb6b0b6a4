"""One share link for several servers, each with its own keys: they are tried in turn."""

from __future__ import annotations

import asyncio
from pathlib import Path

from .program import Client, Server, beside_loop, ginnel
from .socks import connected
from .streams import close
from .targets import Target, echo, serve

FAILOVER = 30.0
"""Seconds for a client to leave a server that is gone: it takes five or so on a quiet machine."""


def joined(directory: Path, *links: str) -> str:
    """The share link that `ginnel join` makes of these, from files: a secret is no argument."""
    files = [directory / f"{number}.txt" for number in range(len(links))]
    for file, link in zip(files, links, strict=True):
        file.write_text(link + "\n")
        file.chmod(0o600)
    done = ginnel("join", *map(str, files), home=directory)
    assert done.exit_code == 0, done.describe()
    return done.stdout[0]


async def echoes(client: Client, target: Target) -> bool:
    """Whether a stream goes through."""
    try:
        async with asyncio.timeout(10), connected(client.socks, target.address) as (reader, writer):
            writer.write(b"hello")
            answer = await reader.readexactly(5)
            await close(writer)
            return answer == b"hello"
    except (OSError, EOFError, TimeoutError):
        return False


async def test_a_server_that_is_gone_is_left_for_the_next_and_found_again(tmp_path: Path) -> None:
    async with (
        beside_loop(lambda: Server(tmp_path / "first" / "state")) as first,
        beside_loop(lambda: Server(tmp_path / "second" / "state")) as second,
        serve(echo) as target,
    ):
        link = joined(tmp_path, first.link, second.link)
        async with beside_loop(lambda: Client(link, tmp_path)) as client:
            assert await echoes(client, target)
            assert f":{first.port}" in client.process.wait_said("link up")
            first.process.kill()
            async with asyncio.timeout(FAILOVER):
                while not await echoes(client, target):
                    pass
            assert f":{second.port}" in client.process.wait_said("link up", times=2)
