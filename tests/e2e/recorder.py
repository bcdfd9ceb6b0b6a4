"""What passes the UDP proxy, in the order in which it passes, as a capture file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ginnel.capture import Datagram, Writer

from .udp_proxy import Flow

Address = tuple[str, int]


class Recorder:
    """Writes every datagram of all flows of a proxy, under its client's address and the proxy's."""

    def __init__(self, writer: Writer, at: Address) -> None:
        self._writer = writer
        self._at = at
        self.datagrams = 0

    def write(self, source: Address, destination: Address, data: bytes) -> None:
        """Append one datagram."""
        self.datagrams += 1
        self._writer.write(Datagram(time.time(), source, destination, data))

    def from_client(self, client: Address, data: bytes) -> None:
        """A client sends."""
        self.write(client, self._at, data)

    def to_client(self, client: Address, data: bytes) -> None:
        """The server's answer."""
        self.write(self._at, client, data)


@contextmanager
def recorded(path: Path, at: Address) -> Iterator[Recorder]:
    """Record what goes through proxies into a file; `at` is the address that clients send to."""
    with path.open("wb") as file:
        recorder = Recorder(Writer(file), at)
        sent, received = Flow.from_client, Flow._from_server

        def from_client(flow: Flow, data: bytes) -> None:
            recorder.from_client(flow._client, data)
            sent(flow, data)

        def from_server(flow: Flow, data: bytes, move: int) -> None:
            recorder.to_client(flow._client, data)
            received(flow, data, move)

        Flow.from_client, Flow._from_server = from_client, from_server  # type: ignore[method-assign]  # for a while
        try:
            yield recorder
        finally:
            Flow.from_client, Flow._from_server = sent, received  # type: ignore[method-assign]  # as it was
