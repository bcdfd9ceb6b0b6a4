"""Devices that carry IP packets and nothing before them, as those of VPNs do, joined by this process."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from .network import WIRE, End, Network, bring_up, machine

TUN = "/dev/net/tun"
TUNSETIFF = 0x400454CA
IFF_TUN_WITHOUT_HEADER = 0x1001
"""From linux/if_tun.h."""
LONGEST = 65_535


@contextmanager
def bare_pair() -> Iterator[Network]:
    """A client and a server with a TUN device each, and between these a thread that passes packets on."""
    if not os.path.exists(TUN):
        pytest.skip(f"{TUN} is not there")
    with machine() as client, machine() as server, ExitStack() as stack:
        network = Network(End(client, "10.1.0.2", "fd00:1::2"), End(server, "10.1.0.3", "fd00:1::3"))
        ends = []
        for end in (network.client, network.server):
            ends.append(end.space.call(device))
            stack.callback(os.close, ends[-1])
            bring_up(end.space, WIRE, end.address, end.address6)
        over = threading.Event()
        thread = threading.Thread(target=pass_on, args=(*ends, over), daemon=True)
        thread.start()
        try:
            yield network
        finally:
            over.set()
            thread.join()


def device() -> int:
    """A TUN device on the machine that this is called on; it lives as long as its descriptor."""
    made = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(made, TUNSETIFF, struct.pack("16sH22x", WIRE.encode(), IFF_TUN_WITHOUT_HEADER))
    return made


def pass_on(one: int, other: int, over: threading.Event) -> None:
    """Carry packets from each device to the other until it is over."""
    while not over.is_set():
        readable, _, _ = select.select([one, other], [], [], 0.1)
        for end in readable:
            os.write(other if end == one else one, os.read(end, LONGEST))
