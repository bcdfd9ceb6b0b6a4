"""The lossy wire: two namespaces, each with a TUN device, and between the devices `ginnel-load wire`.

The wire loses a packet first, then holds it back to its rate with a buffer of one bandwidth-delay product, and then for
the delay: as a path does whose bottleneck is its own and whose loss is not congestion.
"""

import contextlib
import fcntl
import os
import secrets
import signal
import struct
import time
from collections.abc import Iterator

from bench.load import LoadProgram, WireCounts
from bench.places import DEVICE, Ends, Place, bring_up, ip, set_sysctls, two_namespaces, why_no_namespaces
from bench.programs import BenchError, Program
from bench.wire_settings import MTU, WireSettings

TUN = "/dev/net/tun"
TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
"""From linux/if_tun.h: a device for IP packets, without a header before each."""
QUEUE_PACKETS = 10_000
"""Packets that wait in a device until the wire takes them. It takes them at once; what is dropped is dropped in it."""
COUNT_TIMEOUT = 5.0
DRAIN_SECONDS = 3.0
"""How long packets may be under way after the load has ended."""
POLL_SECONDS = 0.1
WAN_SYSCTLS = {
    # What a machine for long fat paths has; the default of 6 MB ends direct TCP at 150 ms before the wire does.
    "net/ipv4/tcp_rmem": "4096 131072 67108864",
    "net/ipv4/tcp_wmem": "4096 131072 67108864",
}


class Wire:
    """A wire that runs."""

    def __init__(self, ends: Ends, program: Program) -> None:
        self.ends = ends
        self._program = program

    def counts(self) -> WireCounts:
        """What it has counted so far. BenchError when it does not say."""
        before = len(self._program.errors.lines())
        self._program.send_signal(signal.SIGUSR1)
        end = time.monotonic() + COUNT_TIMEOUT
        while time.monotonic() < end and self._program.alive:
            for line in self._program.errors.lines()[before:]:
                if line.startswith("{"):
                    return WireCounts.parse(line)
            time.sleep(POLL_SECONDS / 20)
        raise self._program.failure("does not say what it counted")

    def drained(self) -> WireCounts:
        """What it has counted once nothing is under way any more, or after DRAIN_SECONDS."""
        end = time.monotonic() + DRAIN_SECONDS
        while (said := self.counts()).there.under_way + said.back.under_way > 0 and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
        return said


def why_no_wire() -> str | None:
    """The reason why none can be had here; None when one can."""
    if reason := why_no_namespaces():
        return reason
    return None if os.access(TUN, os.R_OK | os.W_OK) else f"{TUN} cannot be opened"


@contextlib.contextmanager
def wire(load: LoadProgram, settings: WireSettings, seed: int) -> Iterator[Wire]:
    """Two fresh namespaces and a fresh wire between them."""
    with two_namespaces() as ends, contextlib.ExitStack() as devices:
        for place in (ends.client, ends.server):
            set_sysctls(str(place.namespace), WAN_SYSCTLS)
        here, there = (devices.enter_context(tun_device(place)) for place in (ends.client, ends.server))
        command = [str(load.path), "wire", *settings.arguments(seed)]
        with Program("the wire", command, stdin=here, stdout=there) as program:
            # The devices live as long as the wire has them, and end with it.
            devices.close()
            program.wait_line("ready", errors=True)
            yield Wire(ends, program)


@contextlib.contextmanager
def tun_device(place: Place) -> Iterator[int]:
    """A TUN device in the namespace of a place, with its address; the descriptor carries its packets."""
    try:
        descriptor = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise BenchError(f"{TUN}: {error.strerror}") from None
    try:
        name = f"gb{secrets.token_hex(4)}"
        try:
            fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
        except OSError as error:
            raise BenchError(f"no TUN device: {error.strerror}") from None
        ip("link", "set", name, "netns", str(place.namespace), "name", DEVICE)
        bring_up(place, "mtu", str(MTU), "txqueuelen", str(QUEUE_PACKETS))
        yield descriptor
    finally:
        os.close(descriptor)
