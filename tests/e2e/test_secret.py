"""The deployment's secret is changed while a server runs: links live on, and those of the old secret end with it."""

from __future__ import annotations

from pathlib import Path

from .program import Client, Server, beside_loop, ginnel
from .socks import connected
from .streams import close
from .targets import Target, echo, serve


async def echo_once(client: Client, target: Target) -> None:
    """Whether the client's link works."""
    async with connected(client.socks, target.address) as (reader, writer):
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        await close(writer)


async def test_a_change_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    state = tmp_path / "state"

    def command(*words: str) -> str:
        done = ginnel(*words, "--state", str(state), home=tmp_path)
        assert done.exit_code == 0, done.describe()
        return "\n".join(done.stdout) + done.stderr

    async with (
        beside_loop(lambda: Server(state)) as server,
        serve(echo) as target,
        beside_loop(lambda: Client(server.link, tmp_path / "old")) as old,
    ):
        await echo_once(old, target)
        assert "holds at once" in command("secret", "rotate")
        await echo_once(old, target)
        new_link = next(line for line in command("link").splitlines() if line.startswith("ginnel://"))
        assert new_link != server.link
        async with beside_loop(lambda: Client(new_link, tmp_path / "new")) as new:
            await echo_once(new, target)
            # With the old link one can still begin anew.
            ping = ginnel("ping", "-", "-c", "1", home=tmp_path, stdin=server.link)
            assert ping.exit_code == 0, ping.describe()
            assert "work no longer" in command("secret", "retire")
            old.process.wait_said("a new share link is needed")
            await echo_once(new, target)
            refused = ginnel("ping", "-", "-c", "1", "--timeout", "2s", home=tmp_path, stdin=server.link)
            assert refused.exit_code == 1, refused.describe()
