"""Whether a wire is honest: its delay, rate and loss, found with datagrams of our own before anything is measured.

The sockets live in the namespaces, and this process holds them: a thread changes over, makes one, and ends.
"""

import contextlib
import ctypes
import math
import os
import socket
import statistics
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from bench.load import LoadProgram
from bench.places import Place
from bench.programs import BenchError
from bench.record import WireCheck
from bench.wire import wire
from bench.wire_settings import WireSettings

CLONE_NEWNET = 0x40000000
"""From linux/sched.h."""
SO_TIMESTAMPNS = 35
"""From asm-generic/socket.h."""
TIMESPEC = struct.Struct("@qq")
TIMESPEC_SPACE = socket.CMSG_SPACE(TIMESPEC.size)
ECHOES = 2_000
ECHO_INTERVAL = 0.0005
"""Seconds between two echoes: 1 Mbit/s, far from the limit of any wire."""
ECHO = struct.Struct("!dd")
"""When it was sent, and how long it was held at the far end."""
PAYLOAD = 1472
"""Bytes of a datagram that fills a packet of 1,500."""
HEADERS = 28
"""Bytes of IP and UDP before them, which the wire counts too."""
FLOOD_SECONDS = 1.5
FLOOD_FACTOR = 1.15
"""Times the wire's rate that is sent to find it, beside what will be lost."""
PATIENCE = 1.0
"""Seconds beyond the round trip in which nothing has to come before we stop listening."""
BUFFER = 8 * 1024 * 1024


def check(load: LoadProgram, settings: WireSettings, seed: int) -> WireCheck:
    """Measure a fresh wire. What fails is in the answer."""
    try:
        with wire(load, settings, seed) as running, contextlib.ExitStack() as stack:
            client, server = running.ends.client, running.ends.server
            here, there = (stack.enter_context(udp_socket(place, settings)) for place in (client, server))
            here.connect(there.getsockname())
            there.connect(here.getsockname())
            times = echo(here, there)
            rate = flood(there, here, settings)
    except (BenchError, OSError) as error:
        return WireCheck(row=settings.key, asked=settings.title, error=str(error))
    return WireCheck(
        row=settings.key,
        asked=settings.title,
        rtt_seconds=statistics.median(times) if times else None,
        rate_bits=rate,
        # An echo crosses the wire twice.
        loss=1 - math.sqrt(len(times) / ECHOES),
    )


@contextlib.contextmanager
def udp_socket(place: Place, settings: WireSettings) -> Iterator[socket.socket]:
    """A UDP socket in a namespace, for this process outside."""

    def make() -> socket.socket:
        # Only this thread changes over, and it ends right after.
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{place.namespace}", "rb") as file:
            if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns: {os.strerror(ctypes.get_errno())}")
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    with ThreadPoolExecutor(max_workers=1) as pool:
        made = pool.submit(make).result()
    with made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        made.bind((place.address, 0))
        made.settimeout(settings.rtt_ms / 1e3 + PATIENCE)
        yield made


def echo(here: socket.socket, there: socket.socket) -> list[float]:
    """The round-trip times of the datagrams that came back, in seconds, without the time that we held them."""
    times: list[float] = []

    def answer() -> None:
        for data, arrived in arrivals(there):
            sent, _ = ECHO.unpack(data)
            there.send(ECHO.pack(sent, time.time() - arrived))

    def listen() -> None:
        for data, arrived in arrivals(here):
            sent, held = ECHO.unpack(data)
            times.append(arrived - sent - held)

    threads = [threading.Thread(target=work, daemon=True) for work in (answer, listen)]
    for thread in threads:
        thread.start()
    for _ in paced(ECHO_INTERVAL, ECHOES * ECHO_INTERVAL):
        here.send(ECHO.pack(time.time(), 0))
    for thread in threads:
        thread.join()
    return times


def flood(sender: socket.socket, receiver: socket.socket, settings: WireSettings) -> float | None:
    """The rate at which packets arrive while more are sent than fit, in bit/s of IP packets; None when none do."""
    interval = (
        (PAYLOAD + HEADERS)
        * 8
        / (settings.rate_mbit * 1e6)
        / FLOOD_FACTOR
        * (1 - settings.loss_percent / 100)
    )
    arrived: list[float] = []
    thread = threading.Thread(target=lambda: arrived.extend(at for _, at in arrivals(receiver)), daemon=True)
    thread.start()
    data = bytes(PAYLOAD)
    for _ in paced(interval, FLOOD_SECONDS):
        with contextlib.suppress(BlockingIOError):
            sender.send(data)
    thread.join()
    # The first half fills the buffer of the wire; in the second the limit is all that counts.
    late = [moment for moment in arrived if moment >= arrived[0] + FLOOD_SECONDS / 2]
    if len(late) < 2:
        return None
    return (len(late) - 1) * (PAYLOAD + HEADERS) * 8 / (late[-1] - late[0])


def arrivals(receiver: socket.socket) -> Iterator[tuple[bytes, float]]:
    """Datagrams and when the kernel got them, for whoever reads them may be late; until none comes any more."""
    receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    with contextlib.suppress(TimeoutError):
        while True:
            data, notes, _, _ = receiver.recvmsg(2048, TIMESPEC_SPACE)
            # One that came before the option was set has no note.
            seconds, nanoseconds = TIMESPEC.unpack(notes[0][2]) if notes else (time.time(), 0)
            yield data, seconds + nanoseconds / 1e9


def paced(interval: float, seconds: float) -> Iterator[float]:
    """A turn every `interval` seconds, made up for where the machine was late."""
    begin = time.monotonic()
    turns = round(seconds / interval)
    for turn in range(turns):
        while (now := time.monotonic()) < begin + turn * interval:
            time.sleep(max(0.0, min(interval, begin + turn * interval - now)))
        yield now
