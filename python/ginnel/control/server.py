"""The answering end of a control socket."""

import asyncio
import contextlib
import logging
import os
import socket
import stat
import struct
from collections.abc import Mapping
from pathlib import Path

from ginnel.config.mistakes import cut
from ginnel.config.private import check_private
from ginnel.control.messages import (
    MAX_QUESTION_BYTES,
    STEP_SECONDS,
    WORK_SECONDS,
    Handler,
    encode_answer,
    encode_error,
    read_question,
)
from ginnel.control.paths import socket_address
from ginnel.errors import ControlError, GinnelError

MAX_CONNECTIONS = 16
"""More at once are sent away."""

_WATCH_SECONDS = 2.0
"""How soon a socket that somebody removed is made again."""
_MAX_REST = 64
"""So many times `MAX_QUESTION_BYTES` behind a question are read and thrown away."""
_CREDENTIALS = struct.Struct("3i")  # process, user, group: SO_PEERCRED of socket(7)
_log = logging.getLogger("ginnel.control")


class ControlServer:
    """Answers questions on a Unix socket; each kind has a handler, by its word.

    The mapping is read at each question: handlers may be added while it runs.
    """

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self.path = path
        self._handlers = handlers
        self._server: asyncio.Server | None = None
        self._file: tuple[int, int] | None = None
        self._process = os.getpid()
        self._conversations: set[asyncio.Task[None]] = set()
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, and again should somebody remove the socket. One that a dead process left is replaced.

        Raises StateError when something else stands in its place, ControlError when somebody listens there, OSError
        when the system refuses.
        """
        await self._open()
        self._watching = asyncio.create_task(self._watch())

    async def _open(self) -> None:
        before = self._file
        self._clear()
        listener = socket.socket(
            socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        try:
            # Before it has a name: the file is made with the mode of the socket, and is never open to others.
            os.fchmod(listener.fileno(), 0o600)
            with socket_address(self.path) as address:
                listener.bind(address)
            status = self.path.lstat()
            self._file = status.st_dev, status.st_ino
            self._server = await asyncio.start_unix_server(
                self._converse, sock=listener, limit=MAX_QUESTION_BYTES
            )
        except BaseException:
            listener.close()
            if self._file != before:
                self._remove()
            raise

    async def aclose(self) -> None:
        """Stop listening, end the conversations, remove the file. May be called twice."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        if self._server is not None:
            self._server.close()
        for conversation in self._conversations:
            conversation.cancel()
        if self._conversations:
            await asyncio.wait(self._conversations)
        self._remove()

    async def _watch(self) -> None:
        """Make the socket again when it is gone: the cleaners of temporary directories take it, too."""
        has_said = False
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if os.getpid() != self._process:
                return
            if self._is_there():
                has_said = False
                continue
            before = self._server
            try:
                await self._open()
            except (OSError, GinnelError) as error:
                if not has_said:
                    _log.warning(
                        "the control socket at %s is gone, and cannot be made again: %s", self.path, error
                    )
                has_said = True
                continue
            _log.warning("the control socket at %s was gone, and has been made again", self.path)
            # Only now: until the new file has its inode, the old one keeps its own.
            if before is not None:
                before.close()

    def _is_there(self) -> bool:
        return os.path.lexists(self.path)

    def _clear(self) -> None:
        try:
            status = self.path.lstat()
        except FileNotFoundError:
            return
        check_private(self.path, status, stat.S_ISSOCK, 0o600)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
            try:
                with socket_address(self.path) as address:
                    probe.connect(address)
            except ConnectionRefusedError:
                self.path.unlink()
                return
        raise ControlError(f"another process listens on {self.path}")

    def _remove(self) -> None:
        """Remove the file, if it is still the one that we made."""
        # A fork has the file in common with its parent, whose it is.
        if self._file is None or os.getpid() != self._process:
            return
        with contextlib.suppress(OSError):
            status = self.path.lstat()
            if (status.st_dev, status.st_ino) == self._file:
                self.path.unlink()
        self._file = None

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = asyncio.current_task()
        if conversation is None:
            raise RuntimeError("a conversation runs in a task")  # asyncio makes one for each connection
        self._conversations.add(conversation)
        try:
            writer.write(await self._respond(reader, writer))
            async with asyncio.timeout(STEP_SECONDS):
                await writer.drain()
                writer.write_eof()
                # What was not read would reset the connection, and take the answer with it.
                for _ in range(_MAX_REST):
                    if not await reader.read(MAX_QUESTION_BYTES):
                        break
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # whoever asked is gone or does not listen, or we end
        finally:
            self._conversations.discard(conversation)
            writer.transport.abort()

    async def _respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Read a question, and find the line that answers it."""
        try:
            _check_peer(writer.get_extra_info("socket"))
            if len(self._conversations) > MAX_CONNECTIONS:
                raise ControlError("too many ask at once", hint="Try again in a moment.")
            question = read_question(await _read_line(reader))
            handler = self._handlers.get(question["ask"])
            if handler is None:
                known = ", ".join(sorted(self._handlers))
                raise ControlError(f"{cut(question['ask'])!r} cannot be asked here", hint=f"Known: {known}.")
            _log.debug("asked: %s", question["ask"])
            async with asyncio.timeout(WORK_SECONDS):
                answer = await handler(question)
            return encode_answer(answer)
        except GinnelError as error:
            return encode_error(error)
        except TimeoutError:
            return encode_error(ControlError(f"no answer was found in {WORK_SECONDS:g} s"))
        except Exception as error:
            # One bad handler must not end the others; its message may hold anything, so only its kind is told.
            _log.error("a question on the control socket failed: %s", type(error).__name__, exc_info=error)
            return encode_error(ControlError(f"something unforeseen: {type(error).__name__}"))


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(STEP_SECONDS):
            return await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError:
        raise ControlError(f"the question is longer than {MAX_QUESTION_BYTES:,} bytes") from None
    except TimeoutError:
        raise ControlError(f"no question came in {STEP_SECONDS:g} s") from None


def _check_peer(connection: socket.socket) -> None:
    """Answer nobody but ourselves and root, whatever became of the file's mode."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(credentials)
    if user not in (0, os.geteuid()):
        raise ControlError("this is not yours to ask")
