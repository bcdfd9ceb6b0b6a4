"""The laboratory itself must see what it is there to see: judged here is the kernel's own TCP, and what breaks it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.waiting import until

from . import judges
from .capture import recorded
from .namespace import NAMED, needs
from .network import WIRE, Network, pair, routed
from .packets import ACK, PSH, RST, Segment, hardware_address, inject, parse, sniffed
from .streams import Received, payload, read_to_end
from .targets import Target, echo, serve, source
from .victims import victims

DATA = payload(4_000_000)

BUSY = {
    "TCP window specified by the receiver is now completely full",
    "This frame is a (suspected) retransmission",
    "D-SACK Sequence",
}
"""What the kernel's TCP rightly does on a busy machine: wait for the application, and ask for acknowledgements."""


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with routed(offloads=False) as made:
        yield made


@contextlib.asynccontextmanager
async def kernel_connection(
    network: Network, target: Target
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """An ordinary TCP connection from the client to a target on the server."""
    made = network.client.space.tcp_socket()
    await asyncio.get_running_loop().sock_connect(made, target.address)
    reader, writer = await asyncio.open_connection(sock=made)
    try:
        yield reader, writer
    finally:
        writer.close()


async def fetched(network: Network) -> None:
    """A download by the kernel's own TCP."""
    async with (
        serve(source(DATA), network.server.address, network.server.space) as target,
        kernel_connection(network, target) as (reader, _),
    ):
        assert await read_to_end(reader) == Received.whole(DATA)


@pytest.mark.parametrize("loose", [False, True])
async def test_a_strict_router_finds_nothing_wrong_with_the_kernels_tcp(
    network: Network, loose: bool
) -> None:
    network.router.watch(loose=loose)
    await fetched(network)
    assert network.router.counted("seen") > 100
    assert network.router.invalid() == (0, 0)
    assert network.router.states().total() == 1


async def test_a_strict_router_sees_a_segment_outside_the_window(network: Network, tmp_path: Path) -> None:
    """And a connection that it takes up in the middle, if it is not to; and tshark complains of the capture."""
    network.router.watch(loose=False)
    gate = hardware_address(network.router.space, "left")
    async with serve(echo, network.server.address, network.server.space) as target:
        with (
            recorded(network.router.space, "left", tmp_path / "odd.pcap") as path,
            sniffed(network.client.space, WIRE) as seen,
        ):
            async with kernel_connection(network, target) as (reader, writer):
                writer.write(b"one")
                assert await reader.readexactly(3) == b"one"
                await until(lambda: [one for one in seen if one.payload == b"one"])
                last = next(one for one in seen if one.payload == b"one")
                assert network.router.states() == {"ESTABLISHED": 1}
                away = replace(last, sequence=last.sequence + 0x4000_0000, payload=b"far away", checksum=None)
                inject(network.client.space, WIRE, gate, [away.packet()])
                # The router deals with packets in their order: when the echo is back, it has seen that one.
                writer.write(b"two")
                assert await reader.readexactly(3) == b"two"
                assert network.router.invalid() == (1, 0)
                network.router.forget()
                writer.write(b"end")
                assert await reader.readexactly(3) == b"end"
                there, back = network.router.invalid()
                assert there > 1
                assert back > 0
    assert judges.complaints(path, checksums=True)


async def test_tshark_has_no_complaint_about_the_kernels_tcp(network: Network, tmp_path: Path) -> None:
    with recorded(network.router.space, "left", tmp_path / "good.pcap") as path:
        await fetched(network)
    assert set(judges.complaints(path, checksums=True)) <= BUSY


async def test_tshark_infers_loss_behind_it_and_wrong_checksums(network: Network, tmp_path: Path) -> None:
    network.router.watch(loose=True)
    network.router.lose(0.02)
    try:
        with recorded(network.client.space, WIRE, tmp_path / "lossy.pcap") as path:
            await fetched(network)
    finally:
        network.router.lose(0)
    assert network.router.counted("lost") > 5
    found = " ".join(judges.complaints(path, checksums=True))
    assert "Previous segment(s) not captured" in found
    wrong = Segment((network.client.address, 5), (network.server.address, 6), flags=RST, checksum=1)
    with recorded(network.router.space, "left", tmp_path / "wrong.pcap") as path:
        inject(
            network.client.space, WIRE, hardware_address(network.router.space, "left"), [wrong.packet()] * 2
        )
        await fetched(network)
    assert "Bad checksum" in " ".join(judges.complaints(path, checksums=True))
    assert "Bad checksum" not in " ".join(judges.complaints(path, checksums=False))


@pytest.mark.parametrize("number", [0, 1], ids=["server", "client"])
async def test_a_forged_reset_ends_a_connection_of_the_kernels_tcp(number: int) -> None:
    """So what is forged fits, and one that does not end it was refused."""
    with pair() as near:
        async with (
            serve(echo, near.server.address, near.server.space) as target,
            kernel_connection(near, target) as (reader, writer),
        ):
            with sniffed(near.client.space, WIRE) as seen:
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
                # The acknowledgement of the echo is the last.
                await until(lambda: seen and seen[-1].flags == ACK and not seen[-1].payload)
            victim = victims(near, seen, target.port)[number]
            far = replace(victim.next, sequence=victim.next.sequence + 0x4000_0000, flags=RST)
            victim.hear([far.packet()])
            writer.write(b"alive")
            assert await reader.readexactly(5) == b"alive"
            exact = victim.next.sequence + 5
            victim.hear([replace(victim.next, sequence=exact, flags=RST).packet()])
            if number == 1:
                assert (await read_to_end(reader)).end == "reset"
            else:
                with pytest.raises(AssertionError, match="the target failed"):
                    await target.outcome()


async def test_translation_gives_the_server_the_routers_address(network: Network) -> None:
    network.router.watch(loose=False)
    network.router.masquerade()
    async with serve(echo, network.server.address, network.server.space) as target:
        with sniffed(network.server.space, WIRE) as seen:
            async with kernel_connection(network, target) as (reader, writer):
                writer.write(b"who")
                assert await reader.readexactly(3) == b"who"
                await until(lambda: [one for one in seen if one.payload == b"who"])
    assert next(one for one in seen if one.payload == b"who").source[0] == "10.2.0.1"
    network.router.watch(loose=False)


async def test_both_ends_reach_each_other_by_ipv6() -> None:
    with pair() as near:
        async with serve(echo, near.server.address6, near.server.space) as target:
            made = near.client.space.call(lambda: socket.create_connection(target.address, 5))
            with made:
                made.sendall(b"six")
                assert await asyncio.to_thread(made.recv, 3) == b"six"


def test_offloads_and_lengths_are_as_asked() -> None:
    needs("ethtool")
    with pair(offloads=False, mtu=1300) as network:
        for space, device in network.devices():
            said = space.run("ethtool", "-k", device)
            assert "tcp-segmentation-offload: off" in said
            assert "generic-receive-offload: off" in said
            assert "tx-checksumming: off" in said
            assert "mtu 1300" in space.run("ip", "link", "show", "dev", device)


def test_what_is_written_can_be_read() -> None:
    segment = Segment(("192.0.2.1", 7), ("192.0.2.2", 8), 9, 10, PSH | ACK, 11, b"abc", b"\1\1\1\0")
    read = parse(segment.packet())
    assert read is not None
    assert replace(read, checksum=None) == segment
    assert replace(read, checksum=None).packet() == segment.packet()


def test_what_a_killed_run_left_is_removed() -> None:
    needs()
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = f"gnl{ended.pid}-0"
    subprocess.run(["ip", "netns", "add", left], check=True)
    code = "from tests.e2e.namespace import namespace\nwith namespace() as made: print(made.name)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert not (NAMED / left).exists()
    assert not (NAMED / done.stdout.strip()).exists()
