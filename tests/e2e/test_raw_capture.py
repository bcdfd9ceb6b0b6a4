"""What an observer makes of raw TCP: Wireshark's experts find no fault, nDPI no name, our statistics nothing."""

from __future__ import annotations

import asyncio
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from ginnel.capture import Datagram, Writer, read

from . import judges
from .capture import recorded
from .network import WIRE, Network, routed
from .packets import Segment, parse
from .program import LOOPBACK, over_raw, over_sessions
from .streams import Received, close, payload, read_to_end, send
from .targets import echo, serve, sink, source
from .traffic import clients
from .tunnel import PORT, Tunnel, unbroken

pytestmark = [over_raw, over_sessions]

SIZE = 1_500_000
LINKS = 52
REQUESTS = 10
BULK = 40_000
"""Bytes each way on each of the links, all of them zero: what shows on the wire comes from ginnel, not from them."""

INFERRED = {
    "Previous segment(s) not captured (common at capture start)",
    "ACKed segment that wasn't captured (common at capture start)",
}
"""What may be said behind a loss: that something is missing, and that it is acknowledged nevertheless."""


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with routed(offloads=False) as made:
        yield made


async def life(tunnel: Tunnel) -> None:
    """Bulk both ways, one way, and now and then a question."""
    await tunnel.both_ways(SIZE)
    async with tunnel.talking() as talk:
        for _ in range(10):
            await talk.ask()
    await tunnel.download(payload(SIZE))


async def test_experts_find_no_fault(network: Network, carrier: str, session: str, tmp_path: Path) -> None:
    """From the first segment to the last, seen by the router on either side, checksums and all."""
    network.router.watch(loose=False)
    space = network.router.space
    with (
        recorded(space, "left", tmp_path / "left.pcap") as left,
        recorded(space, "right", tmp_path / "right.pcap") as right,
        Tunnel(network, carrier, session, tmp_path) as tunnel,
        unbroken(tunnel),
    ):
        await life(tunnel)
    for seen in (left, right):
        assert judges.complaints(seen, checksums=True) == {}


async def test_experts_find_no_fault_in_what_leaves_with_offloads(
    network: Network, carrier: str, session: str, tmp_path: Path
) -> None:
    """Super-segments, as the ends' own devices see them."""
    network.offloads(True)
    try:
        with (
            recorded(network.client.space, WIRE, tmp_path / "client.pcap", length=128) as here,
            recorded(network.server.space, WIRE, tmp_path / "server.pcap", length=128) as there,
            Tunnel(network, carrier, session, tmp_path) as tunnel,
            unbroken(tunnel),
        ):
            await life(tunnel)
    finally:
        network.offloads(False)
    for seen in (here, there):
        assert judges.complaints(seen, checksums=False) == {}


async def test_behind_a_loss_no_more_is_inferred_than_there_is(
    network: Network, carrier: str, session: str, tmp_path: Path
) -> None:
    """One in a hundred is lost towards the client. Before the loss there is no fault to find, behind it only holes."""
    network.router.watch(loose=False)
    with Tunnel(network, carrier, session, tmp_path) as tunnel:
        network.router.lose(0.01, towards="left")
        with (
            recorded(network.server.space, WIRE, tmp_path / "before.pcap") as before,
            recorded(network.client.space, WIRE, tmp_path / "behind.pcap") as behind,
            unbroken(tunnel),
        ):
            await life(tunnel)
        network.router.lose(0)
    assert network.router.counted("lost") > 5
    assert judges.complaints(before, checksums=True) == {}
    assert set(judges.complaints(behind, checksums=True)) <= INFERRED


@pytest.fixture(scope="module")
def crowd(network: Network, carrier: str, session: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of many links, each with small requests and some bulk."""
    directory = tmp_path_factory.mktemp("crowd")
    space = network.server.space

    async def work(link: str) -> None:
        async with (
            serve(echo, LOOPBACK, space) as answers,
            serve(source(bytes(BULK)), LOOPBACK, space) as origin,
            serve(sink(), LOOPBACK, space) as taker,
            clients(link, LINKS) as running,
        ):
            for client in running:
                reader, writer = await client.open_connection(answers.host, answers.port)
                for number in range(REQUESTS):
                    request = bytes(1 + number * 37 % 300)
                    writer.write(request)
                    assert await reader.readexactly(len(request)) == request
                await close(writer)
                reader, writer = await client.open_connection(origin.host, origin.port)
                assert await read_to_end(reader) == Received.whole(bytes(BULK))
                await close(writer)
                _, writer = await client.open_connection(taker.host, taker.port)
                await send(writer, bytes(BULK))
                await close(writer)
                assert await taker.outcome() == Received.whole(bytes(BULK))

    with (
        recorded(network.router.space, "left", directory / "crowd.pcap") as path,
        Tunnel(network, carrier, session, directory) as tunnel,
    ):
        # The engine of a client has a thread of its own, which is in the namespace of the one that has made it.
        network.client.space.call(lambda: asyncio.run(work(tunnel.server.link)))
    return path


def segments(capture: Path) -> list[tuple[float, Segment]]:
    """The segments with something in them, and when."""
    found = []
    for frame in read(capture):
        segment = parse(frame.data[14:])
        if segment is not None and segment.payload:
            found.append((frame.time, segment))
    return found


def from_client(segment: Segment) -> bool:
    return segment.destination[1] == PORT


def without_first(capture: Path, path: Path) -> Path:
    """The payloads as datagrams, but for the first that each client says: that one is made to look like text."""
    begun = set()
    with path.open("wb") as file:
        writer = Writer(file)
        for time, one in segments(capture):
            if from_client(one) and one.source not in begun:
                begun.add(one.source)
            else:
                writer.write(Datagram(time, one.source, one.destination, one.payload))
    return path


def test_statistics_find_nothing(crowd: Path, network: Network, tmp_path: Path) -> None:
    verdict = judges.ours(without_first(crowd, tmp_path / "said.pcap"), f"{network.server.address}:{PORT}")
    assert verdict["findings"] == []
    assert verdict["verdict"] == "clean"
    assert verdict["flows"] >= LINKS
    assert f"client to server: datagram 1 of each flow ({verdict['flows']})" in verdict["judged"]


def test_ndpi_names_nothing(crowd: Path) -> None:
    names, risks = judges.ndpi(crowd)
    assert set(names) == {"Unknown"}
    assert names.total() >= LINKS
    assert risks == {}


def test_the_first_that_a_client_says_is_exempt(crowd: Path) -> None:
    """From the rule that blocks what looks encrypted from its first byte: six printable characters are not.

    Wu et al., How the Great Firewall of China Detects and Blocks Fully Encrypted Traffic (USENIX Security 2023), Ex2.
    """
    first: dict[tuple[str, int], bytes] = {}
    for _, one in segments(crowd):
        if from_client(one):
            first.setdefault(one.source, one.payload)
    assert len(first) >= LINKS
    printable = (string.digits + string.ascii_letters + string.punctuation + " ").encode()
    assert all(set(said[:6]) <= set(printable) for said in first.values())
    assert len({said[:6] for said in first.values()}) == len(first), "a prefix that comes again is a name"
    assert len({len(said) for said in first.values()}) > 5
