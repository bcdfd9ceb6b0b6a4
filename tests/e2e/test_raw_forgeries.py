"""Raw TCP and segments that were forged into its flows, on the wire itself: none of them ends a link."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.waiting import until

from .network import WIRE, Network, pair
from .packets import ACK, FIN, PSH, RST, SYN, SYN_OPTIONS, URG, Segment, sniffed
from .program import over_raw, over_sessions
from .tunnel import PORT, Tunnel, unbroken
from .victims import victims

pytestmark = over_raw

QUIET_SECONDS = 0.2
"""Real time that must pass: what the session acknowledges later is data, too, and the forgery is to fit behind it."""

FAR = 0x4000_0000
"""Outside every window."""


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


RANDOM = random.Random(4).randbytes(600)

ENDS: dict[str, Callable[[Segment], Segment]] = {
    "a reset that fits exactly": lambda one: replace(one, flags=RST),
    "a reset with an acknowledgement": lambda one: replace(one, flags=RST | ACK),
    "a reset within the window": lambda one: replace(one, sequence=one.sequence + 5_000, flags=RST),
    "a reset outside the window": lambda one: replace(one, sequence=one.sequence + FAR, flags=RST | ACK),
    "an end that fits exactly": lambda one: replace(one, flags=FIN | ACK),
    "an end outside the window": lambda one: replace(one, sequence=one.sequence + FAR, flags=FIN | ACK),
    "an end with data": lambda one: replace(one, flags=FIN | PSH | ACK, payload=RANDOM),
    "another beginning": lambda one: replace(one, flags=SYN, options=SYN_OPTIONS),
    "another answer to the beginning": lambda one: replace(one, flags=SYN | ACK, options=SYN_OPTIONS),
    "data": lambda one: replace(one, flags=PSH | ACK, payload=RANDOM),
    "data outside the window": lambda one: replace(
        one, sequence=one.sequence + FAR, flags=PSH | ACK, payload=RANDOM
    ),
    "an acknowledgement of what was never sent": lambda one: replace(
        one, acknowledgement=one.acknowledgement + FAR
    ),
    "an old acknowledgement": lambda one: replace(one, acknowledgement=one.acknowledgement - 100_000),
    "a window of zero": lambda one: replace(one, window=0),
    "an old timestamp": lambda one: replace(one, options=b"\1\1\x08\x0a" + bytes(8), payload=RANDOM),
}


@pytest.mark.parametrize("forgery", ENDS)
async def test_a_forged_segment_ends_nothing(tunnel: Tunnel, network: Network, forgery: str) -> None:
    """To each end in turn; a stream that is open meanwhile goes on."""
    with unbroken(tunnel):
        async with tunnel.talking() as talk:
            for number in range(2):
                with sniffed(network.client.space, WIRE) as seen:
                    await talk.ask()
                    await asyncio.sleep(QUIET_SECONDS)
                victim = victims(network, seen, PORT)[number]
                victim.hear([ENDS[forgery](victim.next).packet()])
                await talk.ask()
                await talk.ask()


@over_sessions
async def test_a_client_whose_flow_was_reset_takes_another(tunnel: Tunnel, network: Network) -> None:
    """From another port, as an application would; the link goes on on it."""
    with unbroken(tunnel):
        async with tunnel.talking() as talk:
            with sniffed(network.client.space, WIRE) as seen:
                await talk.ask()
                await asyncio.sleep(QUIET_SECONDS)
            _, client = victims(network, seen, PORT)
            with sniffed(network.client.space, WIRE) as seen:
                client.hear([ENDS["a reset that fits exactly"](client.next).packet()])
                await until(lambda: [one for one in seen if one.flags == SYN])
                await talk.ask()
                (began,) = (one.source for one in seen if one.flags == SYN)
                assert began != client.next.destination
                await until(lambda: [one for one in seen if one.source == began and one.payload])


def absurd(one: Segment) -> Iterator[bytes]:
    """Packets that no TCP sends, all into the living flow but those for other ports."""
    data = replace(one, flags=PSH | ACK, payload=RANDOM)
    yield replace(data, checksum=0x1234).packet()
    yield replace(data, checksum=0).packet()
    for offset in (0, 1, 4, 15):
        yield replace(data, payload=b"", options=b"", data_offset=offset).packet()
    for options in (
        b"\x08\x00",
        b"\x08\x01",
        b"\x08\x0a",
        b"\x08\xff\0\0",
        b"\x02\x03\0",
        b"\x03\x02",
        b"\x05\x0b" + bytes(9),
        b"\x01" * 40,
        b"\xfe" * 40,
        b"\x08\x0a" + bytes(8) + b"\x08\x0a" + bytes(8),
    ):
        yield replace(data, options=options).packet()
        yield replace(one, flags=SYN, options=options).packet()
    for back in (1, 300, 599):
        yield replace(data, sequence=one.sequence - back).packet()
    yield from data.fragments(8)
    yield from data.fragments(24)
    yield from reversed(data.fragments(304))
    for size in range(20):
        yield data.packet(payload=data.tcp()[:size])
    for port in (1, PORT - 1, PORT + 1, 65_535):
        yield replace(data, destination=(one.destination[0], port)).packet()
    whole = data.packet()
    yield whole[:30]
    yield whole[:2] + b"\xff\xff" + whole[4:]
    yield whole[:2] + b"\0\x10" + whole[4:]
    yield b"\x4f" + whole[1:]
    yield b"\x41" + whole[1:]
    yield whole[:10] + b"\xde\xad" + whole[12:]
    yield whole + bytes(18)
    yield whole[:8] + b"\1" + whole[9:]
    # Last, for one of them may be taken for a reset: a client then goes on from another port.
    for flags in (0, SYN | FIN, SYN | RST, FIN | RST, FIN | PSH | URG, 0xFF):
        yield replace(data, flags=flags).packet()


CAUSES = {"checksum": 4, "malformed": 10, "fragment": 3}
"""What absurd packets are counted as, and how many there are at least of each."""


def counted(more: Counter[str]) -> bool:
    """Whether all of them have been."""
    return all(more[f"segment_{cause}"] >= least for cause, least in CAUSES.items())


@pytest.mark.parametrize("end", ["server", "client"])
async def test_absurd_packets_are_counted_and_harmless(tunnel: Tunnel, network: Network, end: str) -> None:
    before = tunnel.dropped(end)
    with unbroken(tunnel):
        async with tunnel.talking() as talk:
            with sniffed(network.client.space, WIRE) as seen:
                await talk.ask()
                await asyncio.sleep(QUIET_SECONDS)
            victim = victims(network, seen, PORT)[end == "client"]
            victim.hear(list(absurd(victim.next)))
            await talk.ask()
            # They may come in behind the answer: each processor has a queue of its own.
            await until(lambda: counted(tunnel.dropped(end) - before))
            await talk.ask()
        await tunnel.both_ways(1_000_000)


async def test_packets_of_nothing_but_chance_are_harmless(tunnel: Tunnel, network: Network) -> None:
    """Ten thousand to each end: headers that are right so far, and then bits that fell as they would."""
    draw = random.Random(5)
    with unbroken(tunnel):
        async with tunnel.talking() as talk:
            with sniffed(network.client.space, WIRE) as seen:
                await talk.ask()
            for victim in victims(network, seen, PORT):
                packets = []
                for _ in range(10_000):
                    packet = bytearray(replace(victim.next, payload=RANDOM[: draw.randrange(600)]).packet())
                    for _ in range(draw.randrange(1, 4)):
                        packet[draw.randrange(20, len(packet))] = draw.randrange(256)
                    packets.append(bytes(packet))
                await asyncio.to_thread(victim.hear, packets)
            await talk.ask()
