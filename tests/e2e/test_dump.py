"""`ginnel dump` of real links: with the keys every datagram is readable, and each key shows no more than it may."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ginnel.capture import Datagram, Writer, datagrams, read

from .capture import recorded
from .network import WIRE, Network, pair
from .process import Process
from .program import (
    Client,
    Server,
    beside_loop,
    command,
    environment,
    ginnel,
    over_carriers,
    over_raw,
    over_sessions,
)
from .socks import connected
from .streams import Received, payload, read_to_end, send
from .targets import echo, serve
from .tunnel import Tunnel
from .udp_proxy import udp_proxy

PROXY_HOST = "127.0.0.9"
SIZE = 300_000
TARGET = "localhost"
LONGEST_RAW = 1448
"""Bytes of a datagram of raw TCP on a path of 1,500."""

Records = list[dict[str, Any]]


@dataclass(frozen=True)
class Capture:
    """One link's life on disk."""

    home: Path
    link: Path
    state: Path
    server_keys: Path
    client_keys: Path
    file: Path
    datagrams: int
    target: str
    said: str
    """What the server said."""

    def dump(self, *arguments: str) -> Process:
        """Run the command on it."""
        return ginnel("dump", str(self.file), *arguments, home=self.home)

    def records(self, *arguments: str) -> tuple[Records, dict[str, Any]]:
        """What it says of each datagram, and the summary."""
        process = self.dump("--json", *arguments)
        assert process.exit_code == 0, process.describe()
        *records, summary = [json.loads(line) for line in process.stdout]
        assert summary["what"] == "summary"
        return records, summary

    @property
    def all_keys(self) -> tuple[str, ...]:
        """What shows everything."""
        return "--state", str(self.state), "--key-log", str(self.server_keys)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    """A server and a client that write their keys down, and traffic between them on record."""
    return asyncio.run(_capture(tmp_path_factory.mktemp("dump")))


async def _capture(home: Path) -> Capture:
    keys, file = [home / "server.keys", home / "client.keys"], home / "link.pcap"

    def start() -> Server:
        return Server(home / "state", advertise=PROXY_HOST, more=["--key-log", str(keys[0])])

    async with beside_loop(start) as server, udp_proxy(PROXY_HOST, server.port) as proxy:
        async with (
            beside_loop(lambda: Client(server.link, home, more=["--key-log", str(keys[1])])) as client,
            serve(echo) as target,
        ):
            await _exchange(client.socks, target.port)
            target_name = f"{TARGET}:{target.port}"
        (home / "link.txt").write_text(server.link)
        with file.open("wb") as out:
            writer = Writer(out)
            for datagram in proxy.captured:
                writer.write(datagram)
        said, count = server.process.stderr, len(proxy.captured)
    return Capture(home, home / "link.txt", home / "state", keys[0], keys[1], file, count, target_name, said)


async def _exchange(socks: tuple[str, int], port: int) -> None:
    """Send `SIZE` bytes to an echo and take them back, to the end in both directions."""
    data = payload(SIZE)
    async with connected(socks, (TARGET, port)) as (reader, writer):
        reading = asyncio.create_task(read_to_end(reader))
        await send(writer, data)
        writer.write_eof()
        assert await reading == Received.whole(data)


def test_with_the_keys_every_datagram_is_readable(capture: Capture) -> None:
    for key_log in (capture.server_keys, capture.client_keys):
        for known in (("--state", str(capture.state)), ("--link", str(capture.link))):
            records, summary = capture.records(*known, "--key-log", str(key_log))
            assert len(records) == summary["datagrams"] == capture.datagrams > 400
            kinds = Counter(record["what"] for record in records)
            first_answer = next(at for at, record in enumerate(records) if record["what"] == "answer")
            # Junk goes ahead of the handshake, and nowhere else.
            assert all(record["what"] != "unknown" for record in records[first_answer:]), kinds
            assert kinds["data"] > 400
            assert kinds["request"] >= 1
            assert kinds["answer"] >= 1
            assert summary["sealed"] == {}
            assert summary["malformed"] == 0
            assert [link["datagrams"] for link in summary["links"]] == [kinds["data"]]
            assert summary["targets"] == [capture.target]


def test_the_frames_of_the_session_tell_its_story(capture: Capture) -> None:
    records, _ = capture.records(*capture.all_keys)
    packets = [
        (record["to"], packet, frame)
        for record in records
        for packet in record.get("packets", ())
        for frame in packet["frames"]
    ]
    # 0-RTT only where an application was waiting for the link.
    kinds = {packet["kind"] for _, packet, _ in packets}
    assert kinds - {"0-RTT"} == {"Initial", "Handshake", "1-RTT"}
    streams = [(to, frame) for to, _, frame in packets if frame["frame"] == "STREAM"]
    opened = [(to, frame["open"]) for to, frame in streams if "open" in frame]
    assert set(opened) == {("server", capture.target)}
    assert {(to, frame["reply"]) for to, frame in streams if "reply" in frame} == {("client", "connected")}
    for to in ("server", "client"):
        ends = [frame["offset"] + frame["length"] for way, frame in streams if way == to and frame["fin"]]
        # In front of the bytes stands the open request, or the reply of one byte.
        assert len(set(ends)) == 1
        assert 1 <= ends[0] - SIZE <= 32
    assert {"ACK", "CRYPTO", "HANDSHAKE_DONE"} <= {frame["frame"] for _, _, frame in packets}
    messages = {record["message"] for record in records if record.get("kind") == "control"}
    assert "close" in messages
    users = {record["user"] for record in records if record["what"] == "request"}
    assert users == {"default"}


def test_each_key_shows_no_more_than_it_may(capture: Capture) -> None:
    secret = capture.target.encode()
    nothing, summary = capture.records("--hex")
    assert {record["what"] for record in nothing} == {"datagram"}
    fields = {"number", "time", "source", "destination", "carrier", "length", "what", "bytes"}
    assert all(record.keys() == fields for record in nothing)
    assert summary["links"] == []

    by_link, summary = capture.records("--link", str(capture.link))
    assert all("user_key" not in record and "packets" not in record for record in by_link)
    data = [record for record in by_link if record["what"] == "data"]
    assert {record["to"] for record in data} == {"server"}, "headers to the client need the link's keys"
    assert {record["sealed"] for record in data} == {"no keys"}
    assert summary["sealed"] == {"no keys": len(data)}
    assert summary["targets"] == []

    by_state, _ = capture.records("--state", str(capture.state))
    request = next(record for record in by_state if record["what"] == "request")
    assert (request["user"], request["session_kind"], request["member"]) == ("default", "quic", 0)
    assert all("packets" not in record for record in by_state)

    by_log, _ = capture.records("--key-log", str(capture.client_keys))
    assert {record.get("to") for record in by_log} == {"client", None}
    assert all("sealed" not in record for record in by_log)

    for arguments in ((), ("--link", str(capture.link)), ("--state", str(capture.state))):
        text = "\n".join(capture.dump("--hex", *arguments).stdout)
        assert secret.decode() not in text
        assert secret.hex(" ") not in text
    assert capture.target in "\n".join(capture.dump(*capture.all_keys).stdout)


def test_text_has_one_line_a_datagram(capture: Capture) -> None:
    process = capture.dump(*capture.all_keys)
    lines = process.stdout
    assert lines[capture.datagrams] == "", "the summary stands apart"
    assert lines[capture.datagrams + 1].startswith(f"{capture.datagrams:,} datagrams, ")
    assert all(" → " in line for line in lines[: capture.datagrams])
    assert "\x1b" not in "\n".join(lines), "no colours but on a terminal"
    only = capture.dump("--stats", *capture.all_keys)
    assert only.stdout == lines[capture.datagrams + 1 :]


def test_the_key_log_is_for_its_owner_and_its_danger_is_told(capture: Capture) -> None:
    for path in (capture.server_keys, capture.client_keys):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        remark, *lines = path.read_text().splitlines()
        assert remark.startswith("# ")
        assert lines
        assert all(line.startswith("GINNEL_KEYS ") for line in lines)
    assert "whoever has this file and a capture can read everything" in capture.said
    server, client = (
        path.read_text().split("\n", 1)[1] for path in (capture.server_keys, capture.client_keys)
    )
    assert server.replace(" server ", " client ") == client, "both ends have the same keys"
    for line in client.splitlines():
        for key in line.split()[6:]:
            assert key not in capture.said


@pytest.mark.parametrize("role", ["server", "client"])
def test_a_key_log_that_others_may_read_is_refused(capture: Capture, tmp_path: Path, role: str) -> None:
    open_to_others = tmp_path / "keys.log"
    open_to_others.touch(mode=0o644)
    open_to_others.chmod(0o644)
    arguments = ["--listen", "127.0.0.1:0", "--state", str(tmp_path / "state")]
    given = arguments if role == "server" else [str(capture.link), "-D", "127.0.0.1:0"]
    process = ginnel(role, *given, "--key-log", str(open_to_others), home=tmp_path)
    assert process.exit_code == 2, process.describe()
    assert "others may open it (mode 0644); chmod 600 it first" in process.stderr
    assert open_to_others.read_bytes() == b""


def test_a_damaged_capture_shows_what_is_good_of_it(capture: Capture, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    whole = capture.file.read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    process = ginnel("dump", str(cut), "--json", *capture.all_keys, home=tmp_path)
    assert process.exit_code == 2, process.describe()
    summary = json.loads(process.stdout[-1])
    assert 0 < summary["datagrams"] < capture.datagrams
    assert summary["sealed"] == {}
    assert "the file ends within a packet" in process.stderr


def test_bytes_that_nobody_sealed_are_unknown(capture: Capture, tmp_path: Path) -> None:
    """Damage in a datagram is shown as that, and never as something else."""
    damaged = tmp_path / "damaged.pcap"
    with capture.file.open("rb") as file, damaged.open("wb") as out:
        writer = Writer(out)
        for number, datagram in enumerate(datagrams(read(file))):
            data = bytearray(datagram.payload)
            data[number % len(data)] ^= 0x40
            writer.write(datagram._replace(payload=bytes(data)))
    process = ginnel("dump", str(damaged), "--json", *capture.all_keys, home=tmp_path)
    *records, summary = [json.loads(line) for line in process.stdout]
    kinds = Counter(record.get("sealed", record["what"]) for record in records)
    assert set(kinds) <= {"unknown", "other keys"}
    assert summary["targets"] == []


@pytest.fixture
def loopback() -> None:
    """The right to listen to the loopback."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except (AttributeError, PermissionError):
        pytest.skip("reading from an interface needs CAP_NET_RAW, which this run does not have")
    return


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with pair() as made:
        yield made


@over_raw
@over_sessions
@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("device_of", ["client", "server"])
async def test_raw_tcp_in_a_file_is_readable(
    network: Network, carrier: str, session: str, device_of: str, ipv6: bool, tmp_path: Path
) -> None:
    """Recorded at an end, whose device is handed many segments as one, and hands them on so."""
    keys, file = tmp_path / "keys.log", tmp_path / "link.pcap"
    space = (network.client if device_of == "client" else network.server).space
    logging = "--key-log", str(keys)
    with (
        recorded(space, WIRE, file),
        Tunnel(network, carrier, session, tmp_path, ipv6=ipv6, more=logging) as tunnel,
    ):
        await tunnel.both_ways(SIZE)
    merged = max(len(datagram.payload) for datagram in datagrams(read(file)))
    assert merged > 2 * LONGEST_RAW, "without merged segments this proves less than it says"
    process = ginnel("dump", str(file), "--json", "--state", str(tmp_path / "state"), *logging, home=tmp_path)
    assert process.exit_code == 0, process.describe()
    *records, summary = [json.loads(line) for line in process.stdout]
    assert {record["carrier"] for record in records} == {"rawtcp"}
    assert max(record["length"] for record in records) <= LONGEST_RAW
    kinds = Counter(record["what"] for record in records)
    first_answer = next(at for at, record in enumerate(records) if record["what"] == "answer")
    # What a flow begins with, and junk, go ahead of the handshake.
    assert all(record["what"] != "unknown" for record in records[first_answer:]), kinds
    assert kinds["unknown"] >= 1
    assert kinds["data"] > 400
    assert (summary["sealed"], summary["malformed"]) == ({}, 0), summary
    assert len(summary["targets"]) == 2
    assert summary["segments"].keys() >= {"syn", "syn-ack", "ack"}
    assert summary["segments"].keys() <= {"syn", "syn-ack", "ack", "fin", "rst"}


@pytest.mark.usefixtures("loopback")
@over_carriers
async def test_the_loopback_is_read_while_a_link_lives(carrier: str, tmp_path: Path) -> None:
    """Live, with a key log that does not exist before: what the system would segment is cut as it would."""
    keys = tmp_path / "keys.log"
    more = ["--key-log", str(keys)]
    async with beside_loop(lambda: Server(tmp_path / "state", carrier=carrier, more=more)) as server:
        arguments = ["--interface", "lo", "--port", str(server.port), "--json"]
        arguments += ["--state", str(tmp_path / "state"), "--key-log", str(keys)]
        watching = Process(command("dump", *arguments), env=environment(tmp_path))
        await asyncio.to_thread(watching.wait_said, "listening on lo, until Ctrl-C")
        async with beside_loop(lambda: Client(server.link, tmp_path)) as client, serve(echo) as target:
            await _exchange(client.socks, target.port)
            await asyncio.to_thread(watching.wait_line, '{"number": 300, ')
            watching.send_signal(signal.SIGINT)
            await asyncio.to_thread(watching.wait, 30.0)
    assert watching.exit_code == 0, watching.describe()
    *records, summary = [json.loads(line) for line in watching.stdout]
    assert max(record["length"] for record in records) <= 1472
    assert {record["carrier"] for record in records} == {carrier}
    assert (summary["segments"] != {}) == (carrier == "rawtcp")
    assert summary["what"] == "summary"
    assert summary["datagrams"] == len(records)
    if summary["lost"] == 0:
        assert summary["targets"] == [f"{TARGET}:{target.port}"]
        sealed = [record for record in records if "sealed" in record]
        assert sealed == [], summary


def test_what_is_not_allowed_says_how_to_get_it(tmp_path: Path) -> None:
    process = ginnel("dump", "--interface", "no-such-interface", "--seconds", "1", home=tmp_path)
    assert process.exit_code == 2
    if "CAP_NET_RAW" in process.stderr:
        assert os.geteuid() != 0
        assert "setcap cap_net_raw+ep" in process.stderr
    else:
        assert "there is no interface 'no-such-interface'" in process.stderr


def test_a_capture_comes_by_standard_input(capture: Capture, tmp_path: Path) -> None:
    with capture.file.open("rb") as file:
        first: Datagram = next(datagrams(read(file)))
    shell = f"exec {shlex.join(command('dump'))} - --json < {shlex.quote(str(capture.file))}"
    process = Process(["/bin/sh", "-c", shell], env=environment(tmp_path))
    process.wait(30.0)
    assert process.exit_code == 0, process.describe()
    assert json.loads(process.stdout[0])["length"] == len(first.payload)
