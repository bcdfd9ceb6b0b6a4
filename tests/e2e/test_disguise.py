"""What an observer can make of the wire: our own statistics, nDPI and Wireshark judge captures of every mood.

Both programs name *random bytes* now and then, for some of their rules look at little: nDPI takes a tenth of random
flows for RTP, tshark one random datagram in 500 for RTCP. So a name is held against ginnel only if it comes more
often than in a control of the same datagrams filled with random bytes; a false alarm has a probability of 1e-6.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ginnel.capture import Datagram, Frame, Writer, datagrams, read
from ginnel.capture.packets import ETHERNET

from . import judges
from .program import FIRST_SESSION, SESSIONS, Server
from .traffic import (
    AT_ONCE,
    RECORDINGS,
    SHOWN_CLIENT,
    SHOWN_PORT,
    SHOWN_SERVER,
    clients,
    control,
)


class Weakness(NamedTuple):
    """Something that our judge finds, and rightly. Both are patterns of what it says."""

    mood: str
    sample: str
    finding: str


KNOWN_WEAKNESSES: tuple[Weakness, ...] = ()
"""What the shaping of lengths will mend. An entry whose fault is gone fails the test: delete it then."""

JUDGED = [
    (session, mood)
    for session in SESSIONS
    for mood in RECORDINGS
    if session == FIRST_SESSION or mood != "hopping"
]
"""What is recorded and judged: every mood over every session, each with as many links and bytes.

But for hopping, once: to which port a datagram goes is not the session's business, and all else it has in common with
what is interactive.
"""

each_recording = pytest.mark.parametrize(("session", "mood"), JUDGED)

CONTROL = {"handshake": 12, "idle": 12, "interactive": 12}
"""How many times the datagrams of a mood are in its control; `FEW` times where a mood is not named."""
FEW = 4


def unexpected(verdict: dict[str, Any], mood: str) -> list[str]:
    """What our judge found beside the known weaknesses."""
    known = [weakness for weakness in KNOWN_WEAKNESSES if weakness.mood == mood]
    return [
        f"{finding['direction']}, {finding['sample']}: {finding['what']} {finding['where']} {finding['offset']}"
        for finding in verdict["findings"]
        if not any(
            re.search(weakness.sample, finding["sample"]) and re.search(weakness.finding, finding["what"])
            for weakness in known
        )
    ]


class Recorded:
    """Captures and their controls, each made when it is first asked for."""

    def __init__(self, directory: Callable[[str], Path]) -> None:
        self._directory = directory
        self._captures: dict[tuple[str, str], Path] = {}
        self._controls: dict[tuple[str, str], Path] = {}

    def capture(self, session: str, mood: str) -> Path:
        """What was on the wire."""
        if (session, mood) not in self._captures:
            made = asyncio.run(RECORDINGS[mood](self._directory(f"{session}-{mood}"), session))
            self._captures |= {(session, name): path for name, path in made.items()}
        return self._captures[session, mood]

    def control(self, session: str, mood: str) -> Path:
        """Random bytes in the same datagrams, several times over."""
        if (session, mood) not in self._controls:
            path = self._directory(f"{session}-{mood}") / "control.pcap"
            copies = CONTROL.get(mood, FEW)
            self._controls[session, mood] = control(self.capture(session, mood), copies, path)
        return self._controls[session, mood]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """All moods."""
    return Recorded(tmp_path_factory.mktemp)


@each_recording
def test_statistics_find_nothing(recorded: Recorded, session: str, mood: str) -> None:
    verdict = judges.ours(recorded.capture(session, mood), SHOWN_SERVER)
    assert unexpected(verdict, mood) == []
    known = any(weakness.mood == mood for weakness in KNOWN_WEAKNESSES)
    assert verdict["verdict"] == ("findings" if known else "clean"), (
        "a known weakness is gone: delete its entry"
    )
    if mood == "handshake":
        assert "client to server: datagram 1 of each flow (60)" in verdict["judged"]
        assert "server to client: datagram 1 of each flow (60)" in verdict["judged"]
    else:
        assert min(verdict["datagrams"]) >= 600


@each_recording
def test_ndpi_names_nothing(recorded: Recorded, session: str, mood: str) -> None:
    for seen, ordinary in zip(
        judges.ndpi(recorded.capture(session, mood)),
        judges.ndpi(recorded.control(session, mood)),
        strict=True,
    ):
        assert judges.beyond_chance(seen, ordinary, "Unknown") == {}


@each_recording
def test_tshark_sees_only_data(recorded: Recorded, session: str, mood: str) -> None:
    ports = {
        end[1]
        for one in datagrams(read(recorded.capture(session, mood)))
        for end in (one.source, one.destination)
    }
    assert not ports & judges.ports_known_to_tshark(), "choose another SHOWN_PORT"
    seen = judges.tshark(recorded.capture(session, mood))
    assert judges.beyond_chance(seen, judges.tshark(recorded.control(session, mood)), judges.DATA) == {}
    assert seen[judges.DATA] > 0.95 * seen.total()


def dns(number: int) -> list[bytes]:
    """A question for example.org and its answer."""
    question = b"\7example\3org\0" + struct.pack("!HH", 1, 1)
    answer = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + bytes([192, 0, 2, 1])
    return [
        struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + question,
        struct.pack("!HHHHHH", number, 0x8180, 1, 1, 0, 0) + question + answer,
    ]


def wireguard(number: int) -> list[bytes]:
    """A handshake and four packets of data, with the types, lengths and counters that they have."""
    ours, theirs = struct.pack("<I", number), struct.pack("<I", ~number & 0xFFFF_FFFF)
    data = [
        struct.pack("<I", 4) + (theirs, ours)[n % 2] + struct.pack("<Q", n // 2) + os.urandom(48)
        for n in range(4)
    ]
    initiation = struct.pack("<I", 1) + ours + os.urandom(140)
    return [initiation, struct.pack("<I", 2) + theirs + ours + os.urandom(80), *data]


FOREIGN = {53: dns, 51_820: wireguard}
FOREIGN_FLOWS = 20


def test_the_third_parties_can_find_something(recorded: Recorded, tmp_path: Path) -> None:
    """Flows of known protocols beside ours are named, and are more than chance."""
    foreign = []
    for (port, protocol), number in product(FOREIGN.items(), range(FOREIGN_FLOWS)):
        ends = (SHOWN_CLIENT, SHOWN_PORT + 500 + number), (SHOWN_SERVER, port)
        for payload in protocol(number):
            foreign.append(Datagram(time.time(), *ends, payload))
            ends = ends[1], ends[0]
    mixed = tmp_path / "mixed.pcap"
    with mixed.open("wb") as file:
        writer = Writer(file)
        for datagram in [*datagrams(read(recorded.capture(FIRST_SESSION, "idle"))), *foreign]:
            writer.write(datagram)
    random_bytes = recorded.control(FIRST_SESSION, "idle")
    frames = judges.beyond_chance(judges.tshark(mixed), judges.tshark(random_bytes), judges.DATA)
    assert set(frames) == {"eth:ethertype:ip:udp:dns", "eth:ethertype:ip:udp:wg"}
    names, _ = judges.ndpi(mixed)
    assert set(judges.beyond_chance(names, judges.ndpi(random_bytes)[0], "Unknown")) == {"DNS", "WireGuard"}
    assert min(names["DNS"], names["WireGuard"]) >= FOREIGN_FLOWS


def test_what_is_beyond_chance() -> None:
    ordinary = Counter({"Unknown": 1_780, "RTP": 220})
    assert judges.beyond_chance(Counter({"Unknown": 54, "RTP": 6}), ordinary, "Unknown") == {}
    assert set(judges.beyond_chance(Counter({"Unknown": 10, "RTP": 50}), ordinary, "Unknown")) == {"RTP"}
    assert set(judges.beyond_chance(Counter({"Unknown": 51, "QUIC": 9}), ordinary, "Unknown")) == {"QUIC"}
    assert judges.beyond_chance(Counter({"Unknown": 2_000}), ordinary, "Unknown") == {}


@contextmanager
def captured(interface: str, port: int) -> Iterator[list[Frame]]:
    """Frames of UDP with this port, as they pass an interface (Linux, root): what any program on the path sees."""
    try:
        sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    except (AttributeError, PermissionError) as error:
        pytest.skip(f"capturing on an interface needs Linux and root: {error}")
    frames: list[Frame] = []
    over = threading.Event()
    with sniffer:
        sniffer.bind((interface, 0))
        sniffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024 * 1024)
        sniffer.settimeout(0.1)

        def listen() -> None:
            while not over.is_set():
                try:
                    data, (_, _, kind, *_) = sniffer.recvfrom(65_536)
                except TimeoutError:
                    continue
                # On loopback each frame passes twice, on its way out and on its way in.
                if kind != socket.PACKET_OUTGOING:
                    frames.append(Frame(len(frames) + 1, time.time(), ETHERNET, data, len(data)))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield frames
        finally:
            over.set()
            thread.join()


def test_a_real_interface_shows_no_more(tmp_path: Path) -> None:
    """The proxy is not what makes it look random: the same on loopback, with no proxy between."""
    with Server(tmp_path / "state") as server, captured("lo", server.port) as frames:

        async def links() -> None:
            async with clients(server.link, 50 + AT_ONCE):
                pass

        asyncio.run(links())
        port = server.port
    ours = [one for one in datagrams(frames) if port in (one.source[1], one.destination[1])]
    capture = tmp_path / "lo.pcap"
    with capture.open("wb") as file:
        writer = Writer(file)
        for datagram in ours:
            writer.write(datagram)
    verdict = judges.ours(capture, f"127.0.0.1:{port}")
    assert verdict["flows"] >= 50
    assert unexpected(verdict, "handshake") == []
