"""Configuration files under the real program: both roles, reload by signal, and what a bad file leaves alone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ginnel import _engine
from ginnel.config.bounds import ROLES, Role
from ginnel.config.limits import Timeouts
from ginnel.config.settings import SETTINGS

from .machine import udp_sockets
from .process import Process
from .program import LOOPBACK, Server, address, command, environment, ginnel, killed_on_error
from .socks import Refused, Reply, WrongPassword, connected
from .targets import echo, serve


class Run:
    """`ginnel run -c FILE`, with the file that it reads."""

    def __init__(self, file: Path, text: str, ready: str, **variables: str) -> None:
        self.file = file
        self.write(text)
        self.process = Process(command("run", "-c", str(file)), env=environment(file.parent, **variables))
        with killed_on_error(self.process):
            self.ready = self.process.wait_line(ready)

    def write(self, text: str) -> None:
        """Replace the file."""
        self.file.write_text(text)
        self.file.chmod(0o600)

    async def reload(self, text: str, word: str, times: int = 1) -> str:
        """Replace the file, send SIGHUP, and wait for a line of what it says."""
        self.write(text)
        self.process.send_signal(signal.SIGHUP)
        return await asyncio.to_thread(self.process.wait_said, word, times=times)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.__exit__(*error)  # type: ignore[arg-type]  # as they came


SERVER = f'role = "server"\nlisten = "{LOOPBACK}:0"\nstate = "state"\nallow_private = true\n'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Run]:
    """A server from a file, whose clients may reach loopback."""
    home = tmp_path / "server"
    home.mkdir()
    with Run(home / "server.toml", SERVER, "ginnel://") as running:
        yield running


def client_file(link: str, *more: str) -> str:
    return "\n".join([f'role = "client"\nlink = "{link}"', *more, ""])


def listeners(run: Run, count: int) -> list[tuple[str, int]]:
    """Where it listens, in the order in which it said so."""
    return [address(line.split()[1]) for line in run.process.wait_stdout(count)]


async def echoed(
    socks: tuple[str, int], target: tuple[str, int], username: str | None = None, password: str | None = None
) -> None:
    async with connected(socks, target, username=username, password=password) as (reader, writer):
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"


async def test_both_roles_from_files(server: Run, tmp_path: Path) -> None:
    text = client_file(
        server.ready,
        f'socks5 = ["{LOOPBACK}:0", {{ listen = "{LOOPBACK}:0", username = "me", password = "PASS" }}]',
    )
    with Run(tmp_path / "client.toml", text, "socks5 ") as client:
        await asyncio.to_thread(client.process.wait_said, "link up")
        open_to_all, with_password = listeners(client, 2)
        async with serve(echo) as target:
            await echoed(open_to_all, target.address)
            await echoed(with_password, target.address, username="me", password="PASS")
            with pytest.raises(WrongPassword):
                await echoed(with_password, target.address)
        assert "PASS" not in client.process.stderr
        assert server.ready.removeprefix("ginnel://") not in client.process.stderr
        assert f"{LOOPBACK}" in server.process.stderr


async def test_a_reload_touches_no_listener_and_no_connection_that_it_does_not_concern(
    server: Run, tmp_path: Path
) -> None:
    kept, going = f'"{LOOPBACK}:0"', f'{{ listen = "{LOOPBACK}:0", username = "me", password = "PASS" }}'
    with Run(
        tmp_path / "client.toml", client_file(server.ready, f"socks5 = [{kept}, {going}]"), "socks5 "
    ) as client:
        await asyncio.to_thread(client.process.wait_said, "link up")
        first, second = listeners(client, 2)
        async with (
            serve(echo) as target,
            connected(first, target.address) as (reader, writer),
            connected(second, target.address, username="me", password="PASS") as (other_reader, other_writer),
        ):
            await client.reload(client_file(server.ready, f'socks5 = [{kept}, "[::1]:0"]'), "socks5:")
            third = listeners(client, 3)[2]
            assert third[0] == "::1"
            # The listener that stayed takes connections, and the new one; the old one refuses.
            await echoed(first, target.address)
            await echoed(third, target.address)
            with pytest.raises(ConnectionRefusedError):
                await echoed(second, target.address)
            # Connections live on, also those that came through the listener that is gone.
            for one_reader, one_writer in ((reader, writer), (other_reader, other_writer)):
                one_writer.write(b"again")
                assert await one_reader.readexactly(5) == b"again"
        assert len(client.process.stdout) == 3
        assert "link lost" not in client.process.stderr


async def test_a_bad_file_keeps_what_holds_and_says_where(server: Run, tmp_path: Path) -> None:
    text = client_file(server.ready, f'socks5 = "{LOOPBACK}:0"')
    with Run(tmp_path / "client.toml", text, "socks5 ") as client:
        await asyncio.to_thread(client.process.wait_said, "link up")
        async with serve(echo) as target:
            for number, (bad, said) in enumerate(
                [
                    ('limits.tcp_buffer = "100 MB"', ':4: limits.tcp_buffer = "100 MB" is too large'),
                    ('timeouts.silence = "-1s"', ':4: timeouts.silence = "-1s" is negative'),
                    ("listen = 5", ":4: listen belongs to a server"),
                    ("socks5 = 5", ":4: 'socks5' stands twice"),
                    ("drain = ", ":4: this is not TOML"),
                ],
                1,
            ):
                line = await client.reload(text + bad + "\n", "the old ones stay", number)
                assert f"client.toml{said}" in line
                await echoed(address(client.ready.split()[1]), target.address)
            await client.reload(text, "nothing has changed")
            await client.reload(text + 'drain = "1s"\n', "drain: 4 s is now 1 s, at once")


async def test_a_reload_of_the_server_is_for_what_begins_from_then_on(server: Run, tmp_path: Path) -> None:
    text = client_file(server.ready, f'socks5 = "{LOOPBACK}:0"')
    with Run(tmp_path / "client.toml", text, "socks5 ") as client:
        await asyncio.to_thread(client.process.wait_said, "link up")
        socks = address(client.ready.split()[1])
        async with serve(echo) as target, connected(socks, target.address) as (reader, writer):
            closed = SERVER.replace("true", "false") + 'limits.tcp_buffer = "128KiB"\nlog.level = "debug"\n'
            # The lines come in the order of a file, so that the last one stands for all.
            await server.reload(closed, "limits.tcp_buffer: 64 KiB is now 128 KiB, for new links and streams")
            assert "allow_private: true is now false, at once" in server.process.stderr
            assert "log.level: info is now debug, at once" in server.process.stderr
            with pytest.raises(Refused) as caught:
                await echoed(socks, target.address)
            assert caught.value.reply == Reply.NOT_ALLOWED
            writer.write(b"again")
            assert await reader.readexactly(5) == b"again"
            await server.reload(SERVER, "allow_private: false is now true, at once")
            await echoed(socks, target.address)
        assert "link lost" not in client.process.stderr


async def test_what_needs_a_start_is_said_and_left(server: Run) -> None:
    port = udp_sockets(server.process.pid)[0].port
    await server.reload(SERVER.replace(":0", ":1"), "at the next start")
    assert udp_sockets(server.process.pid)[0].port == port


async def test_a_client_from_a_file_listens_before_its_server_is_there(tmp_path: Path) -> None:
    home = tmp_path / "server"
    home.mkdir()
    with Server(home / "state") as server:
        link, port = server.link, server.port
    text = client_file(link, f'socks5 = "{LOOPBACK}:0"', 'timeouts.link_wait = "60s"')
    with Run(tmp_path / "client.toml", text, "socks5 ") as client:
        socks = address(client.ready.split()[1])
        socket.create_connection(socks, timeout=5).close()
        running = await asyncio.to_thread(Server, home / "state", listen=f"{LOOPBACK}:{port}")
        with running:
            await asyncio.to_thread(client.process.wait_said, "link up", limit=60)
            async with serve(echo) as target:
                await echoed(socks, target.address)
        assert running.process.exit_code == 0


@pytest.mark.parametrize("role", ROLES)
def test_the_engine_has_the_same_settings_and_defaults(role: Role) -> None:
    engine = _engine.default_limits(role)
    ours = {
        key.partition(".")[2]: setting.default
        for key, setting in SETTINGS[role].items()
        if key.startswith(("timeouts.", "limits."))
    }
    assert {key: engine.get(Timeouts.engine_names.get(key, key)) for key in ours} == ours


def test_check_says_what_run_would(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text(SERVER)
    good = ginnel("check", str(file), home=tmp_path)
    assert (good.exit_code, good.stdout) == (0, [f"{file} is good: role server, 3 settings"])
    file.write_text(SERVER + 'limits.tcp_buffer = "100 MB"\nlistne = 1\n')
    bad = ginnel("check", str(file), "--json", home=tmp_path)
    assert bad.exit_code == 2
    assert [one["line"] for one in json.loads(bad.stdout[0])["mistakes"]] == [5, 6]
    run = ginnel("run", "-c", str(file), home=tmp_path)
    assert run.exit_code == 2
    assert run.stderr.splitlines() == [
        f'error: {file}:5: limits.tcp_buffer = "100 MB" is too large',
        "  Allowed: 1 KiB to 10 MiB. The default is 64 KiB.",
    ]
    assert not (tmp_path / "state").exists(), "a bad file starts nothing"


def test_an_example_runs_as_it_is(tmp_path: Path) -> None:
    example = ginnel("example", "server", home=tmp_path)
    variables = {"GINNEL_LISTEN": f"{LOOPBACK}:0", "GINNEL_STATE": str(tmp_path / "state")}
    with Run(tmp_path / "server.toml", "\n".join(example.stdout), "ginnel://", **variables):
        pass


def test_a_pipe_in_the_files_place_holds_nobody_up(tmp_path: Path) -> None:
    pipe = tmp_path / "server.toml"
    os.mkfifo(pipe)
    run = ginnel("run", "-c", str(pipe), home=tmp_path)
    assert run.exit_code == 2
    assert run.stderr == f"error: {pipe} is a pipe, not a file\n  Name a regular file.".rstrip()
