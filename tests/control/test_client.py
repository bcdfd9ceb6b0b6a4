"""The asking end."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ginnel.control import client as client_module
from ginnel.control.client import Running, ask, clients, who
from ginnel.control.messages import Question
from ginnel.control.paths import client_socket, make_directory
from ginnel.control.server import ControlServer
from ginnel.errors import ControlError, NotRunning, StateError


async def identify(_: Question) -> object:
    return {"role": "client", "pid": 7, "version": "1"}


async def refuse(_: Question) -> object:
    raise StateError("what is wrong", hint="what would be right")


async def test_questions_and_answers(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 150) / "control"
    path.parent.mkdir()
    server = ControlServer(path, {"who": identify, "refuse": refuse})
    await server.start()
    assert await asyncio.to_thread(ask, path, "who") == {"role": "client", "pid": 7, "version": "1"}
    assert await asyncio.to_thread(who, path) == Running("client", 7, path, "")
    with pytest.raises(ControlError, match="what is wrong") as caught:
        await asyncio.to_thread(ask, path, "refuse")
    assert caught.value.hint == "what would be right"
    assert not isinstance(caught.value, NotRunning)
    await server.aclose()
    with pytest.raises(NotRunning):
        ask(path, "who")


@pytest.mark.parametrize("what", ["nothing", "no directory", "a socket of the dead"])
def test_nobody_there(tmp_path: Path, what: str) -> None:
    path = tmp_path / "control"
    if what == "no directory":
        path = path / "control"
    elif what != "nothing":
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
            path.chmod(0o600)
    with pytest.raises(NotRunning, match="nobody listens"):
        ask(path, "who")


def test_what_is_no_private_socket_is_not_asked(tmp_path: Path) -> None:
    path = tmp_path / "control"
    path.touch(0o600)
    with pytest.raises(StateError, match="is not a socket"):
        ask(path, "who")
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        with pytest.raises(StateError, match="is open to others"):
            ask(path, "who")


def answering(path: Path, answer: Callable[[socket.socket], object]) -> threading.Thread:
    """Take one connection, and do something odd with it."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen()

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [(b"", "cut off"), (b"garbage\n", "not JSON"), (b"{}\n", "empty"), (b'{"answer": 5}\n', "who it is")],
)
def test_odd_answers_are_told(tmp_path: Path, answer: bytes, complaint: str) -> None:
    path = tmp_path / "control"

    def odd(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer)

    thread = answering(path, odd)
    with pytest.raises(ControlError, match=complaint):
        who(path)
    thread.join()


def test_one_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "control"
    done = threading.Event()
    thread = answering(path, lambda _: done.wait(30))
    with pytest.raises(ControlError, match="no answer on"):
        ask(path, "who", patience_seconds=0.05)
    done.set()
    thread.join()


def test_one_that_never_stops_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MAX_ANSWER_BYTES", 100_000)
    path = tmp_path / "control"

    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        try:
            while True:
                connection.sendall(b"x" * 65536)
        except OSError:
            return

    thread = answering(path, talk)
    with pytest.raises(ControlError, match="too long"):
        ask(path, "who")
    thread.join()


async def test_clients_are_found_and_the_dead_are_buried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert clients() == []
    path = client_socket(os.getpid())
    make_directory(path.parent)
    dead, strange = client_socket(1), client_socket(2)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(dead))
    dead.chmod(0o600)
    strange.touch(0o600)
    server = ControlServer(path, {"who": identify})
    await server.start()
    assert await asyncio.to_thread(clients) == [Running("client", 7, path, "")]
    assert not dead.exists()
    assert strange.exists()
    await server.aclose()
