"""What scripts rely on: standard output, exit codes, signals, secrets that stay secret."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from .process import Process
from .program import LOOPBACK, Client, Server, address, beside_loop, command, environment, ginnel
from .socks import connected
from .streams import Progress, Received, payload, read_to_end
from .targets import echo, endless, serve, silent

HURRY_LIMIT = 1.0
"""Seconds from a second signal to the end."""

IDLE_LIMIT = 3.0
"""Seconds to the end of a program without streams: less than its drain."""

NO_ANSWER_LIMIT = 30.0
"""Seconds until a command gives up on a server that says nothing; ten are what it promises."""

COMMANDS = [
    "server", "client", "link", "join", "user", "secret", "stats", "reload", "dump", "ping", "keygen", "version"
]  # fmt: skip


@contextmanager
def silent_server(server: Server, state: Path) -> Iterator[tuple[str, socket.socket]]:
    """A share link whose server is gone, while its port takes packets and answers none."""
    with Server(state) as gone:
        link, port = gone.link, gone.port
    assert link != server.link
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind((LOOPBACK, port))
        yield link, held


def assert_plain_error(process: Process, code: int) -> None:
    """It ended with `code`, said why in plain words, and put nothing on standard output."""
    assert process.exit_code == code, process.describe()
    assert process.stdout == [], process.describe()
    assert "error:" in process.stderr, process.describe()
    assert "Traceback" not in process.stderr, process.describe()


@asynccontextmanager
async def open_stream(client: Client, kind: str) -> AsyncIterator[asyncio.Task[Received]]:
    """A stream through `client` that does not end by itself: idle, or busy without pause; with what it receives."""
    progress = Progress()
    async with (
        serve(silent if kind == "idle" else endless()) as target,
        connected(client.socks, target.address) as (reader, _),
    ):
        reading = asyncio.create_task(read_to_end(reader, progress))
        if kind == "busy":
            await progress.reached(1_000_000)
        yield reading
        reading.cancel()


def test_standard_output_is_for_scripts(tmp_path: Path) -> None:
    with Server(tmp_path / "state") as server:
        with Client(server.link, tmp_path) as client:
            pass
        assert client.process.stdout == [f"socks5 {client.socks[0]}:{client.socks[1]}"]
        assert client.socks[0] == LOOPBACK
    assert server.process.stdout == [server.link]
    assert re.fullmatch(r"ginnel://\S+", server.link)
    assert server.process.stderr != "", "a person gets a few words"
    assert server.link not in server.process.stderr, "a log must not hold the link"


def test_a_client_listens_wherever_it_is_asked_to(server: Server, tmp_path: Path) -> None:
    arguments = command("client", "-", "-D", f"{LOOPBACK}:0", "-D", f"{LOOPBACK}:0")
    with Process(arguments, stdin=server.link, env=environment(tmp_path)) as process:
        ports = [address(line.split()[1])[1] for line in process.wait_stdout(2)]
        assert len(set(ports)) == 2
        for port in ports:
            socket.create_connection((LOOPBACK, port), timeout=5).close()


@pytest.mark.parametrize("source", ["argument", "file", "stdin", "environment"])
def test_a_link_may_come_from_anywhere(server: Server, tmp_path: Path, source: str) -> None:
    file = tmp_path / "link.txt"
    file.write_text(server.link + "\n")
    words = {"argument": [server.link], "file": [str(file)], "stdin": ["-"], "environment": []}[source]
    env = environment(tmp_path) | ({"GINNEL_LINK": server.link} if source == "environment" else {})
    stdin = server.link if source == "stdin" else None
    with Process(command("client", *words, "-D", f"{LOOPBACK}:0"), stdin=stdin, env=env) as process:
        process.wait_line("socks5 ")
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert server.link.removeprefix("ginnel://").encode() not in arguments
        assert server.link not in process.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("who", ["client", "server"])
async def test_a_signal_ends_it_within_five_seconds(tmp_path: Path, who: str, number: signal.Signals) -> None:
    """Exit code 0, under an idle and a busy stream; a download that is cut by it must not look complete."""
    with Server(tmp_path / "state") as server, Client(server.link, tmp_path) as client:
        async with open_stream(client, "idle"), open_stream(client, "busy") as received:
            process = {"client": client.process, "server": server.process}[who]
            await asyncio.to_thread(process.stop, number)
            async with asyncio.timeout(10):
                assert (await received).end == "reset"


@pytest.mark.parametrize("who", ["client", "server"])
def test_without_streams_there_is_nothing_to_wait_for(tmp_path: Path, who: str) -> None:
    """An idle program does not sit out its drain of four seconds."""
    with Server(tmp_path / "state") as server, Client(server.link, tmp_path) as client:
        process = {"client": client.process, "server": server.process}[who]
        process.send_signal(signal.SIGTERM)
        assert process.wait(IDLE_LIMIT) == 0, process.describe()


@pytest.mark.parametrize("who", ["client", "server"])
async def test_a_second_signal_hurries_it(tmp_path: Path, who: str) -> None:
    with Server(tmp_path / "state") as server, Client(server.link, tmp_path) as client:
        async with open_stream(client, "busy"):
            process = {"client": client.process, "server": server.process}[who]
            # Two different ones: a signal that is sent twice at once arrives once.
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, HURRY_LIMIT) == 0, process.describe()


async def test_streams_may_finish_after_the_signal(tmp_path: Path) -> None:
    """What ends by itself while the client drains ends whole."""
    data = payload(100_000)
    with Server(tmp_path / "state") as server, Client(server.link, tmp_path) as client:
        async with (
            serve(echo) as target,
            connected(client.socks, target.address) as (reader, writer),
        ):
            writer.write(data[:1])
            assert await reader.readexactly(1) == data[:1]
            stopping = asyncio.create_task(asyncio.to_thread(client.process.stop))
            writer.write(data[1:])
            writer.write_eof()
            assert await reader.read(-1) == data[1:]
            await stopping


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Server(tmp_path / "state") as server:
            pass
    finally:
        os.umask(before)
    paths = [server.state, *server.state.rglob("*")]
    assert any(path.is_file() for path in paths)
    for path in paths:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0, f"{path.name} has mode {mode:o}"
        assert path.is_dir() or mode == 0o600, f"{path.name} has mode {mode:o}"


@pytest.mark.parametrize("crash", [False, True], ids=["after_a_stop", "after_a_crash"])
def test_a_restart_keeps_the_link(tmp_path: Path, crash: bool) -> None:
    with Server(tmp_path / "state") as first:
        port = first.port
        if crash:
            first.process.kill()
    with Server(tmp_path / "state", listen=f"{LOOPBACK}:{port}") as second:
        assert second.link == first.link
        with Client(first.link, tmp_path):
            pass


def test_another_state_is_another_secret(server: Server, tmp_path: Path) -> None:
    with Server(tmp_path / "state") as other:
        assert other.link != server.link


def test_one_state_serves_one_server(server: Server, tmp_path: Path) -> None:
    arguments = ("server", "--listen", f"{LOOPBACK}:0", "--state", str(server.state))
    assert_plain_error(ginnel(*arguments, home=tmp_path), 1)


def test_the_link_can_be_printed_again(server: Server, tmp_path: Path) -> None:
    printed = ginnel("link", "--state", str(server.state), home=tmp_path)
    assert printed.exit_code == 0, printed.describe()
    assert printed.stdout == [server.link]


async def test_a_new_user_may_connect_at_once(server: Server, tmp_path: Path) -> None:
    """A link made by `ginnel link` beside the running server works; both users' clients live side by side."""
    printed = await asyncio.to_thread(ginnel, "link", "phone", "--state", str(server.state), home=tmp_path)
    assert printed.exit_code == 0, printed.describe()
    (link,) = printed.stdout
    assert link != server.link
    async with (
        serve(echo) as target,
        beside_loop(lambda: Client(link, tmp_path)) as phone,
        beside_loop(lambda: Client(server.link, tmp_path)) as default,
    ):
        for client in (phone, default):
            async with connected(client.socks, target.address) as (reader, writer):
                writer.write(b"x")
                assert await reader.readexactly(1) == b"x"


def test_ping_reaches_a_server(server: Server, tmp_path: Path) -> None:
    ping = ginnel("ping", "-", "-c", "1", home=tmp_path, stdin=server.link)
    assert ping.exit_code == 0, ping.describe()
    assert "Traceback" not in ping.stderr
    assert re.search(r"\d\s?(ms|µs|us|s)\b", "\n".join(ping.stdout)), ping.describe()


@pytest.mark.long
async def test_a_silent_server_is_told_after_ten_seconds(server: Server, tmp_path: Path) -> None:
    """By ping and by client, with exit code 1, what it may be and what to try."""
    with silent_server(server, tmp_path / "state") as (link, _):
        ping, client = await asyncio.gather(
            asyncio.to_thread(ginnel, "ping", "-", home=tmp_path, stdin=link, limit=NO_ANSWER_LIMIT),
            asyncio.to_thread(
                ginnel, "client", "-", "-D", f"{LOOPBACK}:0", home=tmp_path, stdin=link, limit=NO_ANSWER_LIMIT
            ),
        )
    for process in (ping, client):
        assert_plain_error(process, 1)
        assert "no answer" in process.stderr, process.describe()


def test_interrupting_a_ping(server: Server, tmp_path: Path) -> None:
    """Ctrl-C ends it with 130 and no traceback."""
    with silent_server(server, tmp_path / "state") as (link, held):
        held.settimeout(20)
        process = Process(command("ping", "-"), stdin=link, env=environment(tmp_path))
        held.recv(2048)  # Its first packet: now it waits for an answer.
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 130, process.describe()
        assert "Traceback" not in process.stderr, process.describe()


BAD_ARGUMENTS = {
    "no command like that": ["serve"],
    "unknown option": ["server", "--state", "STATE", "--listne", "1"],
    "port too large": ["server", "--state", "STATE", "--listen", "127.0.0.1:70000"],
    "no address": ["server", "--state", "STATE", "--listen", "nowhere at all"],
    "no link": ["client"],
    "no such file": ["client", "no-such-file.txt"],
    "not a link": ["ping", "ginnel://"],
    "garbage for a link": ["client", "ginnel://" + "A" * 180],
    "another scheme": ["client", "https://example.org"],
    "bad listener": ["client", "LINK", "-D", "127.0.0.1:http"],
    "bad time": ["ping", "LINK", "--timeout", "soon"],
}


@pytest.mark.parametrize("what", BAD_ARGUMENTS)
def test_bad_arguments(server: Server, tmp_path: Path, what: str) -> None:
    words = {"LINK": server.link, "STATE": str(tmp_path / "state")}
    arguments = [words.get(word, word) for word in BAD_ARGUMENTS[what]]
    assert_plain_error(ginnel(*arguments, home=tmp_path), 2)
    assert not (tmp_path / "state").exists()


def test_a_damaged_link(server: Server, tmp_path: Path) -> None:
    """Any one character wrong or missing is told as damage, and the link is not repeated."""
    link = server.link
    middle = len(link) // 2
    other = "B" if link[middle] != "B" else "C"
    for damaged in (
        link[:middle] + other + link[middle + 1 :],
        link[:-1],
        link[: middle - 1] + link[middle:],
    ):
        process = ginnel("client", "-", home=tmp_path, stdin=damaged)
        assert_plain_error(process, 2)
        assert damaged.removeprefix("ginnel://") not in process.stderr


def test_a_port_that_is_taken(server: Server, tmp_path: Path) -> None:
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind((LOOPBACK, 0))
        tcp.listen()
        udp.bind((LOOPBACK, 0))
        (_, tcp_port), (_, udp_port) = tcp.getsockname(), udp.getsockname()
        listener = ginnel("client", "-", "-D", f"{LOOPBACK}:{tcp_port}", home=tmp_path, stdin=server.link)
        state = str(tmp_path / "state")
        bound = ginnel("server", "--listen", f"{LOOPBACK}:{udp_port}", "--state", state, home=tmp_path)
    for process, port in ((listener, tcp_port), (bound, udp_port)):
        assert_plain_error(process, 1)
        assert str(port) in process.stderr


def test_keygen_prints_fresh_keys(tmp_path: Path) -> None:
    first, second = (ginnel("keygen", home=tmp_path) for _ in range(2))
    assert first.exit_code == second.exit_code == 0, first.describe()
    assert first.stdout != second.stdout
    keys = re.findall(r"\b[0-9a-f]{64}\b", "\n".join(first.stdout))
    assert len(set(keys)) == 3, first.describe()


def test_version(tmp_path: Path) -> None:
    process = ginnel("version", home=tmp_path)
    assert process.exit_code == 0, process.describe()
    assert re.search(r"\d+\.\d+\.\d+", "\n".join(process.stdout)), process.describe()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_teaches_by_example(tmp_path: Path, name: str) -> None:
    process = ginnel(name, "--help", home=tmp_path)
    assert process.exit_code == 0, process.describe()
    lines = [line for line in process.stdout if "ginnel" in line and "usage" not in line.lower()]
    assert sum(1 for line in lines if re.search(rf"ginnel (-\S+ )*(--)?{name}\b", line)) >= 3, (
        process.describe()
    )


def test_the_program_alone_names_its_commands(tmp_path: Path) -> None:
    process = ginnel("--help", home=tmp_path)
    assert process.exit_code == 0, process.describe()
    assert all(re.search(rf"^\s+{name}\b", "\n".join(process.stdout), re.MULTILINE) for name in COMMANDS)
