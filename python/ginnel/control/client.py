"""The asking end of a control socket: for commands, which have nothing else to do meanwhile."""

import contextlib
import errno
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from ginnel.config.private import check_private
from ginnel.control.messages import (
    MAX_ANSWER_BYTES,
    STEP_SECONDS,
    encode_question,
    read_answer,
)
from ginnel.control.paths import client_process, client_sockets, socket_address
from ginnel.errors import ControlError, NotRunning, StateError

_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Running:
    """A server or client that answers on its control socket."""

    role: str
    process: int
    path: Path
    """Of the socket."""
    where: str
    """The state directory of a server; nothing for a client."""


@dataclass(frozen=True, slots=True)
class Silent:
    """A server or client that runs and gives no answer: it may be stopped, or busy."""

    role: str
    process: int
    where: str
    """The state directory of a server; nothing for a client."""
    has_socket: bool = True
    """Whether its socket is still there: somebody may have removed it."""


def ask(path: Path, question: str, *, patience_seconds: float | None = None) -> object:
    """Ask, and return the answer; `patience_seconds` bounds the wait for it (5).

    Raises NotRunning when nobody listens there, ControlError with the other side's reason or for what went wrong.
    """
    try:
        check_private(path, path.lstat(), stat.S_ISSOCK, 0o600)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(STEP_SECONDS)
            with socket_address(path) as address:
                connection.connect(address)
            connection.sendall(encode_question(question))
            connection.settimeout(STEP_SECONDS if patience_seconds is None else patience_seconds)
            return read_answer(_receive(connection))
    except TimeoutError as error:
        raise ControlError(f"no answer on {path}", hint="The process may be stopped or busy.") from error
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED):
            raise NotRunning(f"nobody listens on {path}") from error
        raise ControlError(f"cannot ask on {path}: {error.strerror or error}") from error


def who(path: Path) -> Running:
    """Ask who listens there. Raises as `ask` does."""
    answer = ask(path, "who")
    role, process, where = (
        (answer.get(name) for name in ("role", "pid", "state")) if isinstance(answer, dict) else (None,) * 3
    )
    if not isinstance(role, str) or not isinstance(process, int):
        raise ControlError(f"what listens on {path} does not say who it is")
    return Running(role, process, path, str(where or ""))


def clients() -> list[Running | Silent]:
    """Return the clients of this user. Sockets of dead ones are removed."""
    found: list[Running | Silent] = []
    for path in client_sockets():
        try:
            found.append(who(path))
        except NotRunning:
            with contextlib.suppress(OSError):
                path.unlink()
        except ControlError:
            found.append(Silent("client", client_process(path), ""))
        except StateError:
            continue  # no socket of ours
    return found


def _receive(connection: socket.socket) -> bytes:
    chunks: list[bytes] = []
    length = 0
    while length <= MAX_ANSWER_BYTES:
        chunk = connection.recv(_CHUNK_BYTES)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
        length += len(chunk)
    raise ControlError("the answer is too long")
