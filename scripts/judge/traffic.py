"""What an observer makes of a capture: flows between a client's address and a server, each in two directions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from ginnel.capture import Datagram

Address = tuple[str, int]

ENOUGH_DATAGRAMS = 600
"""In a direction, for a judgement of each offset."""

ENOUGH_FLOWS = 50
"""With a k-th datagram, for a judgement of those."""

FIRST = 6
"""Datagrams of a flow that are compared with those of the same place in other flows."""

BLOCK = 700
"""Datagrams in a row; three such blocks of a direction are looked at: its beginning, its middle and its end."""

LONGEST = 1_500
"""Bytes of a datagram on a usual path. More is several in one: segmentation offload on the capturing machine."""

DIRECTIONS = "client to server", "server to client"


@dataclass
class Flow:
    """The datagrams between one address of a client and one server, whatever ports the server uses."""

    directions: tuple[list[bytes], list[bytes]] = field(default_factory=lambda: ([], []))


class Sample(NamedTuple):
    """Datagrams to be looked at together, in an order in which neighbours may have something to do with another."""

    direction: str
    name: str
    datagrams: list[bytes]
    least: int
    """Datagrams that must reach an offset for it to be looked at."""
    steps_only: bool = False
    """The same datagrams have been looked at in another order; only the steps between them are new."""


@dataclass
class Traffic:
    """A capture, sorted."""

    flows: list[Flow]
    in_order: tuple[list[bytes], list[bytes]]
    """Both directions as they were captured, all flows together."""
    merged: int
    """Datagrams left out because they are several in one."""
    strangers: int
    """Datagrams left out because neither end is the server."""


def sort(datagrams: Iterable[Datagram], server: tuple[str, int | None] | None) -> Traffic:
    """Sort a capture by flow and direction.

    Without `server` it is whoever is addressed first in most of its conversations.
    """
    kept = list(datagrams)
    long = [len(datagram.payload) > LONGEST for datagram in kept]
    kept = [datagram for datagram, is_long in zip(kept, long, strict=True) if not is_long]
    servers = _servers(kept) if server is None else None
    flows: dict[tuple[Address, str], Flow] = defaultdict(Flow)
    in_order: tuple[list[bytes], list[bytes]] = ([], [])
    strangers = 0
    for datagram in kept:
        ends = datagram.destination, datagram.source
        serving = [end in servers if servers is not None else _is(end, server) for end in ends]
        if not any(serving):
            strangers += 1
            continue
        # Where both ends serve (a server that is a client of itself), the one that is sent to is the server.
        direction = 0 if serving[0] else 1
        there, here = ends if direction == 0 else ends[::-1]
        flows[here, there[0]].directions[direction].append(datagram.payload)
        in_order[direction].append(datagram.payload)
    return Traffic(list(flows.values()), in_order, sum(long), strangers)


def _is(end: Address, server: tuple[str, int | None] | None) -> bool:
    return server is not None and end[0] == server[0] and server[1] in (None, end[1])


def _servers(datagrams: list[Datagram]) -> set[Address]:
    """The addresses that were called more often than they called."""
    begun: set[frozenset[Address]] = set()
    calls: Counter[Address] = Counter()
    for datagram in datagrams:
        pair = frozenset((datagram.source, datagram.destination))
        if pair not in begun:
            begun.add(pair)
            calls[datagram.destination] += 1
            calls[datagram.source] -= 1
    return {end for end, balance in calls.items() if balance > 0}


def samples(traffic: Traffic, direction: int) -> list[Sample]:
    """What can be looked at in a direction; empty where there is too little of everything."""
    name = DIRECTIONS[direction]
    found = []
    if len(traffic.in_order[direction]) >= ENOUGH_DATAGRAMS:
        by_flow = list(chain.from_iterable(flow.directions[direction] for flow in traffic.flows))
        found.append(Sample(name, "all datagrams", _blocks(by_flow), ENOUGH_DATAGRAMS))
        if len(traffic.flows) > 1:
            # A counter of the server's own goes on from flow to flow.
            in_order = _blocks(traffic.in_order[direction])
            found.append(Sample(name, "all datagrams in time", in_order, ENOUGH_DATAGRAMS, True))
    for number in range(FIRST):
        datagrams = [
            flow.directions[direction][number]
            for flow in traffic.flows
            if len(flow.directions[direction]) > number
        ]
        if len(datagrams) < ENOUGH_FLOWS:
            break
        found.append(Sample(name, f"datagram {number + 1} of each flow", datagrams, ENOUGH_FLOWS))
    return found


def _blocks(datagrams: list[bytes]) -> list[bytes]:
    """The beginning, the middle and the end of a long row; all of a short one."""
    if len(datagrams) <= 3 * BLOCK:
        return datagrams
    middle = (len(datagrams) - BLOCK) // 2
    return [*datagrams[:BLOCK], *datagrams[middle : middle + BLOCK], *datagrams[-BLOCK:]]
