"""Users come and go while the server runs: who is added connects, who is removed is out within a second."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from .process import Process
from .program import LOOPBACK, Client, Server, command, environment, ginnel
from .socks import connected
from .streams import Progress, read_to_end
from .targets import echo, endless, serve

OUT_LIMIT = 1.0
"""Seconds from the end of `ginnel user remove`, or from when the server runs on, to the end of the link. How long the
start of the command itself takes is the machine's business."""


def user(server: Server, *words: str) -> list[str]:
    """Run `ginnel user`; its standard output."""
    process = ginnel("user", *words, "--state", str(server.state), home=server.state.parent)
    assert process.exit_code == 0, process.describe()
    return process.stdout


def listed(server: Server) -> dict[str, dict[str, int]]:
    """What `ginnel user list` says, by name."""
    facts = [json.loads(line) for line in user(server, "list", "--json")]
    return {fact["name"]: fact for fact in facts}


def wait_words(process: Process, words: str, since: float, limit: float = 20.0) -> float:
    """Wait for words on standard error; seconds since `since`."""
    while words not in process.stderr:
        assert time.monotonic() < since + limit, f"no {words!r} in {limit} s\n{process.describe()}"
        time.sleep(0.005)
    return time.monotonic() - since


async def echoes(client: Client) -> None:
    """A stream through the client works."""
    async with serve(echo) as target, connected(client.socks, target.address) as (reader, writer):
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"


async def test_a_user_comes_and_goes(tmp_path: Path) -> None:
    with Server(tmp_path / "state") as server, Client(server.link, tmp_path) as other:
        (link,) = user(server, "add", "anna")
        assert user(server, "link", "anna") == [link]
        with Client(link, tmp_path) as client:
            await echoes(client)
            assert (listed(server)["anna"]["links"], listed(server)["default"]["links"]) == (1, 1)
            progress = Progress()
            async with serve(endless()) as target, connected(client.socks, target.address) as (reader, _):
                reading = asyncio.create_task(read_to_end(reader, progress))
                await progress.reached(1_000_000)
                removed = await asyncio.to_thread(user, server, "remove", "anna", "--json")
                told = time.monotonic()
                assert json.loads(removed[0]) == {"removed": ["anna"], "running": True, "links_ended": 1}
                taken = await asyncio.to_thread(
                    wait_words, client.process, "this user is no longer allowed", told
                )
                assert taken < OUT_LIMIT
                async with asyncio.timeout(10):
                    assert (await reading).end == "reset"
            # Nobody else felt it.
            await echoes(other)
            assert "link lost" not in other.process.stderr
            assert list(listed(server)) == ["default"]
        # The old share link stays dead, also when the name comes back.
        (fresh,) = user(server, "add", "anna")
        assert fresh != link
        ping = ginnel("ping", "-", "-c", "1", "--timeout", "2s", home=tmp_path, stdin=link)
        assert ping.exit_code == 1, ping.describe()
        with Client(fresh, tmp_path) as client:
            await echoes(client)


@pytest.mark.parametrize("trouble", ["removed", "deaf"])
def test_a_server_that_cannot_be_told_notices_by_itself(tmp_path: Path, trouble: str) -> None:
    with Server(tmp_path / "state") as server:
        (link,) = user(server, "add", "anna")
        with Client(link, tmp_path) as client:
            path = server.state / "control"
            # It makes its socket again within a second: while it stands still it cannot.
            os.kill(server.process.pid, signal.SIGSTOP)
            path.unlink()
            if trouble == "deaf":
                with socket.socket(socket.AF_UNIX) as dead:
                    dead.bind(str(path))
                path.chmod(0o600)
            process = ginnel("user", "remove", "anna", "--state", str(server.state), home=tmp_path)
            assert "it notices within a second" in process.stderr
            os.kill(server.process.pid, signal.SIGCONT)
            assert wait_words(client.process, "no longer allowed", time.monotonic()) < OUT_LIMIT


def test_a_new_key_sends_the_old_one_away(tmp_path: Path) -> None:
    with Server(tmp_path / "state") as server, Client(server.link, tmp_path) as client:
        (link,) = user(server, "rotate", "default")
        wait_words(client.process, "no longer allowed", time.monotonic())
        assert link != server.link
        with Client(link, tmp_path):
            pass


async def test_a_restart_keeps_users_and_what_they_used(tmp_path: Path) -> None:
    with Server(tmp_path / "state") as server:
        links = user(server, "add", "anna", "bob")
        user(server, "remove", "bob")
        port = server.port
        with Client(links[0], tmp_path) as client:
            await echoes(client)
    assert listed(server)["anna"]["links_opened"] == 1
    assert listed(server)["anna"]["links"] is None
    with Server(tmp_path / "state", listen=f"{LOOPBACK}:{port}") as server:
        assert list(listed(server)) == ["default", "anna"]
        with Client(links[0], tmp_path) as client:
            await echoes(client)
            assert listed(server)["anna"]["links"] == 1
        assert listed(server)["anna"]["links_opened"] == 2


def test_a_server_that_is_killed_keeps_its_users(tmp_path: Path) -> None:
    with Server(tmp_path / "state") as server:
        (link,) = user(server, "add", "anna")
        port = server.port
        server.process.kill()
    # Its socket is left behind, and nobody listens on it.
    assert (tmp_path / "state" / "control").exists()
    (other,) = user(server, "add", "bob")
    with Server(tmp_path / "state", listen=f"{LOOPBACK}:{port}"):
        for shown in (link, other):
            with Client(shown, tmp_path):
                pass


def test_both_ends_can_be_asked_for_their_figures(tmp_path: Path) -> None:
    with Server(tmp_path / "state") as server, Client(server.link, tmp_path) as client:
        for role, process in (("server", server.process), ("client", client.process)):
            words = ["--state", str(server.state)] if role == "server" else ["--pid", str(process.pid)]
            asked = ginnel("stats", "--json", *words, home=tmp_path)
            assert asked.exit_code == 0, asked.describe()
            stats = json.loads(asked.stdout[0])
            assert (stats["role"], stats["pid"]) == (role, process.pid)
            assert re.match(
                rf"{role} +process {process.pid}", ginnel("stats", *words, home=tmp_path).stdout[0]
            )
            reload = ginnel("reload", *words, home=tmp_path)
            assert reload.exit_code == 1
            assert "started without a configuration file: nothing to reload" in reload.stderr
        sockets = [server.state / "control", tmp_path / "ginnel" / f"client-{client.process.pid}.control"]
        assert [stat.S_IMODE(path.stat().st_mode) for path in sockets] == [0o600, 0o600]
    assert not any(path.exists() for path in sockets)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a server that ran once; tests take copies."""
    with Server(tmp_path_factory.mktemp("made") / "state") as server:
        pass
    return server.state


FILES = ["server.json", "users.sqlite3", "users.sqlite3-wal", "lock", "replay", "control"]


WRONGS = [
    (kind, name)
    for kind in ("link", "pipe", "directory", "open to others")
    for name in FILES
    # Some do not outlive the server, or hold no secret.
    if kind != "open to others" or name not in ("control", "users.sqlite3-wal", "replay")
]


@pytest.mark.parametrize(("kind", "name"), WRONGS)
def test_a_state_in_which_something_is_wrong_is_not_served(
    made: Path, tmp_path: Path, name: str, kind: str
) -> None:
    state = Path(shutil.copytree(made, tmp_path / "state"))
    path = state / name
    if kind == "open to others":
        path.chmod(0o604)
    else:
        moved = path.with_name("moved")
        if path.exists():
            path.rename(moved)
        {"link": lambda: path.symlink_to(moved), "pipe": lambda: os.mkfifo(path, 0o600)}.get(
            kind, lambda: path.mkdir(mode=0o700)
        )()
    arguments = command("server", "--listen", f"{LOOPBACK}:0", "--state", str(state))
    process = Process(arguments, env=environment(tmp_path))
    assert process.wait(20.0) == 2, process.describe()
    assert process.stdout == []
    assert "error: " in process.stderr
    assert str(state) in process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize("name", ["server.json", "users.sqlite3"])
def test_a_state_that_was_cut_off_is_told(made: Path, tmp_path: Path, name: str) -> None:
    state = Path(shutil.copytree(made, tmp_path / "state"))
    os.truncate(state / name, (state / name).stat().st_size // 2)
    for words in (["server", "--listen", f"{LOOPBACK}:0"], ["user", "list"], ["user", "add", "anna"]):
        process = ginnel(*words, "--state", str(state), home=tmp_path)
        assert process.exit_code == 2, process.describe()
        assert f"{name}" in process.stderr
        assert "is damaged" in process.stderr
        assert "Restore it from a copy" in process.stderr


def on_small_disk(disk: Path) -> list[str]:
    """What runs a command on a disk of half a megabyte; skips where there can be none."""
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=512k,mode=700 none {disk} && exec "$0" "$@"'
    wrap = ["unshare", "-m", "sh", "-c", mount]
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a disk of its own needs root and unshare")
    if subprocess.run([*wrap, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    return wrap


async def test_a_disk_that_fills_up_does_not_end_the_server(tmp_path: Path) -> None:
    """On a small disk of its own, in a mount namespace that ends with the server."""
    disk = tmp_path / "disk"
    wrap = on_small_disk(disk)
    with Server(disk / "state", wrap=wrap) as server:
        # What the server sees, from outside.
        seen = Path(f"/proc/{server.process.pid}/root{disk}")
        with Client(server.link, tmp_path) as client:
            with (
                (seen / "ballast").open("wb", buffering=0) as ballast,
                pytest.raises(OSError, match="No space"),
            ):
                while True:
                    ballast.write(bytes(4096))
            await echoes(client)
            inside = ["nsenter", f"--mount=/proc/{server.process.pid}/ns/mnt"]
            arguments = command("user", "add", *(f"user{number}" for number in range(2000)))
            full = Process([*inside, *arguments, "--state", str(server.state)], env=environment(tmp_path))
            assert full.wait(20.0) == 2, full.describe()
            assert "the disk is full" in full.stderr
            assert "Make room there" in full.stderr
            await echoes(client)
            (seen / "ballast").unlink()
            added = Process(
                [*inside, *command("user", "add", "anna"), "--state", str(server.state)],
                env=environment(tmp_path),
            )
            assert added.wait(20.0) == 0, added.describe()
            with Client(added.stdout[0], tmp_path) as other:
                await echoes(other)
        server.process.stop(signal.SIGTERM)
