"""The ends of a flow on one wire, as somebody sees them who wants to forge a segment into it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .network import WIRE, End, Network
from .packets import ACK, Segment, hardware_address, inject


@dataclass(frozen=True)
class Victim:
    """One end, and what the other would say to it next."""

    end: End
    other: End
    next: Segment
    """Without payload; its options are the timestamps of the last one."""

    def hear(self, packets: list[bytes]) -> None:
        """Put packets on the wire to it."""
        inject(self.other.space, WIRE, hardware_address(self.end.space, WIRE), packets)


def victims(network: Network, seen: list[Segment], port: int) -> list[Victim]:
    """The server and the client of the flow to this port that was used last."""
    last = {True: None, False: None} | {one.destination[1] == port: one for one in seen if one.payload}
    found = []
    for to_server, one in last.items():
        assert one is not None
        ends = (network.server, network.client) if to_server else (network.client, network.server)
        sequence = one.sequence + len(one.payload)
        found.append(Victim(*ends, replace(one, sequence=sequence, flags=ACK, payload=b"", checksum=None)))
    return found
