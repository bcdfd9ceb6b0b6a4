"""Streams as asyncio knows them: a reader and a writer on the socket that the engine handed over."""

import asyncio
import contextlib
import socket
import ssl as _ssl
from typing import Any, cast

from ginnel._native import OpenedStream
from ginnel.errors import StreamReset


class StreamWriter(asyncio.StreamWriter):
    """asyncio's writer, whose peer is the target and not the socket between Python and the engine."""

    target: tuple[str, int] = ("", 0)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Like asyncio's; `peername` is the target's host and port as they were asked for."""
        return self.target if name == "peername" else super().get_extra_info(name, default)


class Streams:
    """The open streams of a client, by their number, so that a reset finds the one it means.

    As large as the number of open streams, which the engine bounds.
    """

    def __init__(self) -> None:
        self._open: dict[int, Stream] = {}

    def __len__(self) -> int:
        return len(self._open)

    def accept(self, opened: OpenedStream) -> "Stream":
        """Register a stream, before its reset can arrive."""
        stream = Stream(self, opened)
        self._open[opened.number] = stream
        return stream

    def reset(self, number: int) -> None:
        """Pass on that the far side reset a stream; one that is gone already does not mind."""
        stream = self._open.pop(number, None)
        if stream is not None:
            stream.reset()

    def reset_all(self) -> None:
        """The engine is gone: no stream ends by itself any more."""
        for number in tuple(self._open):
            self.reset(number)

    def forget(self, number: int, stream: "Stream") -> None:
        """Drop a stream that has ended."""
        # Numbers may be used again; only the same stream goes.
        if self._open.get(number) is stream:
            del self._open[number]


class Stream:
    """One stream, from the engine's hand-over to the end of its transport."""

    def __init__(self, streams: Streams, opened: OpenedStream) -> None:
        self._streams = streams
        self._number = opened.number
        self._socket = opened.socket
        self._reader: asyncio.StreamReader | None = None
        self._transport: asyncio.Transport | None = None
        self._was_reset = False

    async def open(
        self,
        target: tuple[str, int],
        limit: int,
        ssl: _ssl.SSLContext | bool | None,
        server_hostname: str | None,
    ) -> tuple[asyncio.StreamReader, StreamWriter]:
        """Make the reader and the writer. Whatever goes wrong, the socket is closed."""
        loop = asyncio.get_running_loop()
        self._reader = reader = asyncio.StreamReader(limit=limit, loop=loop)
        if self._was_reset:
            self.discard()
            raise self._reset_error()
        taken = False

        def protocol_for_socket() -> _Protocol:
            nonlocal taken
            taken = True
            return _Protocol(self, reader, loop)

        try:
            transport, protocol = await loop.create_unix_connection(
                protocol_for_socket,
                sock=self._socket,
                ssl=ssl,
                server_hostname=(server_hostname or target[0]) if ssl else None,
            )
        except BaseException as error:
            self._streams.forget(self._number, self)
            if not taken:  # else asyncio closes it, in its own time: it may still be in the selector
                self._socket.close()
            if self._was_reset and isinstance(error, OSError):
                raise self._reset_error() from error
            raise
        writer = StreamWriter(transport, protocol, reader, loop)
        writer.target = target
        return reader, writer

    def made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport, and cut it if the reset came first."""
        self._transport = cast(asyncio.Transport, transport)
        if self._was_reset:
            self._cut()

    def lost(self) -> None:
        """Let go of a stream whose transport has closed."""
        self._streams.forget(self._number, self)

    def reset(self) -> None:
        """The far side reset the stream: readers and writers see ConnectionResetError, not an end-of-file."""
        self._was_reset = True
        self._cut()

    def _cut(self) -> None:
        if self._reader is not None:
            self._reader.set_exception(self._reset_error())
        if self._transport is not None:
            self._transport.abort()
        else:
            # A TLS handshake may be under way below the transport that we have not been given yet: end it.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def discard(self) -> None:
        """Close a stream that nobody will use."""
        self._socket.close()
        self._streams.forget(self._number, self)

    @staticmethod
    def _reset_error() -> StreamReset:
        return StreamReset("the far side reset the stream")


class _Protocol(asyncio.StreamReaderProtocol):
    def __init__(self, stream: Stream, reader: asyncio.StreamReader, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(reader, loop=loop)
        self._ginnel_stream = stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._ginnel_stream.made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ginnel_stream.lost()
        super().connection_lost(exc)
