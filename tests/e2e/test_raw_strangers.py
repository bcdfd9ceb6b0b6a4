"""Raw TCP and those who are not its clients: they find an open port whose service waits."""

from __future__ import annotations

import asyncio
import fcntl
import random
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.waiting import until

from .machine import resident_memory
from .network import WIRE, Network, pair
from .packets import FIN, RST, SYN, SYN_OPTIONS, Segment, hardware_address, inject, sniffed
from .program import over_raw, over_sessions
from .strangers import SHAPES
from .streams import Progress, payload
from .tunnel import PORT, Tunnel, unbroken

pytestmark = [over_raw, over_sessions]

QUIET_SECONDS = 1.0
"""How long an answer is waited for that must not come."""
IN_WINDOW = 60_000
"""Bytes that fit the first window of a current Linux."""
FLOOD = 100_000
MOST_MEMORY = 32 << 20
SIOCOUTQ = 0x5411
"""From linux/sockios.h: bytes of a TCP socket that nobody has acknowledged yet."""
ESTABLISHED, FIN_WAIT_2 = 1, 5


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with pair() as made:
        yield made


@pytest.fixture(scope="module")
def tunnel(
    network: Network, carrier: str, session: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tunnel]:
    with Tunnel(network, carrier, session, tmp_path_factory.mktemp("tunnel")) as running:
        yield running


def stranger(network: Network) -> socket.socket:
    """A TCP connection of the kernel's own to the server's port, from the client's machine."""
    made = network.client.space.call(lambda: socket.create_connection((network.server.address, PORT), 5))
    made.settimeout(10)
    return made


def acknowledged(connection: socket.socket) -> bool:
    """Whether the other end says that it has all that was sent."""
    return fcntl.ioctl(connection, SIOCOUTQ, bytes(4)) == bytes(4)


def state(connection: socket.socket) -> int:
    """What the kernel says of a connection."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


async def waiting(connections: list[socket.socket]) -> None:
    """All that was said has been acknowledged, and then comes nothing: no byte, no end, no reset."""
    await until(lambda: all(map(acknowledged, connections)))
    await quiet(connections)


async def quiet(connections: list[socket.socket]) -> None:
    """For a while, nothing comes; and they are still connections."""
    await asyncio.sleep(QUIET_SECONDS)
    for connection in connections:
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)
        assert state(connection) == ESTABLISHED


async def test_whatever_a_stranger_says_is_acknowledged_and_never_answered(
    tunnel: Tunnel, network: Network
) -> None:
    draw = random.Random(8)
    with ExitStack() as stack, unbroken(tunnel):
        connections = [stack.enter_context(stranger(network)) for _ in SHAPES]
        for connection, shape in zip(connections, SHAPES.values(), strict=True):
            await asyncio.to_thread(connection.sendall, b"".join(shape(draw))[:IN_WINDOW])
        connections.append(stack.enter_context(stranger(network)))
        await waiting(connections)
        await tunnel.flows_again()


async def test_a_stranger_with_much_to_say_finds_the_window_closed(tunnel: Tunnel, network: Network) -> None:
    """As of a service that does not read; and asks now and then whether it is open again."""
    with unbroken(tunnel), stranger(network) as connection, sniffed(network.client.space, WIRE) as seen:
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                connection.send(payload(1_000_000))
        name = connection.getsockname()
        await until(lambda: any(one.destination == name and one.window == 0 for one in seen))
        await quiet([connection])


async def test_a_stranger_that_asks_whether_anybody_is_there_hears_so(
    tunnel: Tunnel, network: Network
) -> None:
    """By keep-alives of its kernel, which gives up when nobody answers two of them."""
    with stranger(network) as connection:
        connection.sendall(payload(1_000))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 2)):
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        await asyncio.sleep(3 * QUIET_SECONDS)  # two of them, and their answers
        await quiet([connection])


async def test_the_end_of_a_stranger_is_acknowledged(tunnel: Tunnel, network: Network) -> None:
    with stranger(network) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        await until(lambda: state(connection) == FIN_WAIT_2)


async def test_a_client_that_is_played_again_gets_no_data(tunnel: Tunnel, network: Network) -> None:
    """What another client has said, each piece by itself, and all of it in a row."""
    server = network.server.address, PORT
    with sniffed(network.client.space, WIRE) as seen:
        client = await asyncio.to_thread(tunnel.start_client)
        await asyncio.to_thread(client.process.wait_said, "link up")
        await asyncio.to_thread(client.process.stop)
        began = next(one.source for one in seen if one.flags == SYN and one.destination == server)
        await until(lambda: any(one.source == began and one.flags & (FIN | RST) for one in seen))
    said = [one.payload for one in seen if one.source == began and one.payload]
    assert len(said) > 2
    with ExitStack() as stack, unbroken(tunnel):
        connections = [stack.enter_context(stranger(network)) for _ in said[:20]]
        for connection, piece in zip(connections, said, strict=False):
            connection.sendall(piece)
        whole = stack.enter_context(stranger(network))
        whole.sendall(b"".join(said))
        await waiting([*connections, whole])


async def test_frames_that_are_played_again_get_no_data(tunnel: Tunnel, network: Network) -> None:
    """The frames of another client, as they were and after its end."""
    server = network.server.address, PORT
    gate = hardware_address(network.server.space, WIRE)
    with sniffed(network.client.space, WIRE) as seen:
        client = await asyncio.to_thread(tunnel.start_client)
        await asyncio.to_thread(client.process.wait_said, "link up")
        client.process.kill()
        began = next(one.source for one in seen if one.flags == SYN and one.destination == server)
    said = [one for one in seen if one.source == began]
    with unbroken(tunnel), sniffed(network.client.space, WIRE) as seen:
        # The last one is new, and its answer says that all have been looked at.
        last = Segment(("10.1.0.9", 9), server, 1, flags=SYN, options=SYN_OPTIONS)
        inject(network.client.space, WIRE, gate, [*(one.packet() for one in said), last.packet()])
        await until(lambda: any(one.destination == last.source for one in seen))
        assert not [one for one in seen if one.destination == began and one.payload]
        await tunnel.flows_again()


def syn_flood(server: tuple[str, int], number: int) -> Iterator[bytes]:
    """SYNs from so many addresses that nobody has."""
    draw = random.Random(number)
    first = Segment(("198.18.0.0", 1), server, 0, flags=SYN, options=SYN_OPTIONS).packet()
    for each in range(number):
        # The two sums that change cancel out: the address in one, the port in the other.
        address, port = each & 0xFFFF, draw.randrange(1, 0xFFFF)
        packet = bytearray(first)
        struct.pack_into("!H", packet, 14, address)
        struct.pack_into("!H", packet, 20, port)
        for at, change in ((10, address), (36, address + port - 1)):
            (old,) = struct.unpack_from("!H", packet, at)
            total = (~old & 0xFFFF) + change
            while total >> 16:
                total = (total & 0xFFFF) + (total >> 16)
            struct.pack_into("!H", packet, at, ~total & 0xFFFF)
        yield bytes(packet)


async def test_a_flood_of_syns_keeps_no_state(tunnel: Tunnel, network: Network) -> None:
    pid, data, progress = tunnel.server.process.pid, payload(40_000_000), Progress()
    server, gate = (network.server.address, PORT), hardware_address(network.server.space, WIRE)
    flood = list(syn_flood(server, FLOOD))
    await tunnel.flows_again()
    with unbroken(tunnel):
        async with asyncio.TaskGroup() as group:
            group.create_task(tunnel.download(data, progress, pause=0.003))
            await progress.reached(len(data) // 10)
            before = resident_memory(pid)
            await asyncio.to_thread(inject, network.client.space, WIRE, gate, flood)
            assert progress.size < len(data), "the download was over before the flood"
        grown = resident_memory(pid) - before
    assert grown < MOST_MEMORY, f"{grown:,} bytes more"


async def test_a_syn_of_the_flood_is_a_good_one(tunnel: Tunnel, network: Network) -> None:
    """Else the flood proves nothing: each is answered."""
    server, gate = (network.server.address, PORT), hardware_address(network.server.space, WIRE)
    network.server.space.ip("route", "replace", "198.18.0.0/16", "via", network.client.address)
    flood = list(syn_flood(server, 50))
    with sniffed(network.client.space, WIRE) as seen:
        inject(network.client.space, WIRE, gate, flood)
        await until(lambda: len([one for one in seen if one.destination[0].startswith("198.18.")]) >= 50)
    assert all(one.flags == SYN | 0x10 for one in seen if one.destination[0].startswith("198.18."))
