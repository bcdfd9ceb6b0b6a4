"""Made-up traffic: random bytes of random lengths, which a test spoils in one way."""

from __future__ import annotations

import random
from collections.abc import Callable

from ginnel.capture import Datagram
from scripts.judge.traffic import Sample

SERVER = "192.0.2.2", 5000

Spoil = Callable[[bytearray, int, int, random.Random], None]
"""Changes a datagram in place: given the datagram, its number in its flow, the flow's number, and chance."""


def sample(
    count: int = 700,
    spoil: Spoil | None = None,
    *,
    seed: int = 1,
    sizes: tuple[int, int] = (40, 60),
    least: int = 600,
) -> Sample:
    """Datagrams of one flow and direction."""
    draw = random.Random(seed)
    datagrams = [bytearray(draw.randbytes(draw.randint(*sizes))) for _ in range(count)]
    for number, datagram in enumerate(datagrams):
        if spoil is not None:
            spoil(datagram, number, 0, draw)
    return Sample("client to server", "all datagrams", list(map(bytes, datagrams)), least)


def link(
    flows: int = 1,
    each: int = 700,
    spoil: Spoil | None = None,
    *,
    seed: int = 1,
    sizes: tuple[int, int] = (40, 120),
    both: bool = False,
) -> list[Datagram]:
    """A capture of flows that run side by side; `spoil` is for the client's datagrams, or for `both` ends'."""
    draw = random.Random(seed)
    found = []
    for number in range(each):
        for flow in range(flows):
            client = "192.0.2.1", 40_000 + flow
            for ends in ((client, SERVER), (SERVER, client)):
                payload = bytearray(draw.randbytes(draw.randint(*sizes)))
                if spoil is not None and (both or ends[1] == SERVER):
                    spoil(payload, number, flow, draw)
                found.append(Datagram(number + flow / 1000, *ends, bytes(payload)))
    return found
