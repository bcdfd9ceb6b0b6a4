"""The answering end: what it answers, to whom, and what it does not put up with."""

import asyncio
import contextlib
import json
import os
import socket
import stat
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ginnel.control import server as server_module
from ginnel.control.messages import MAX_QUESTION_BYTES, Handler, Question
from ginnel.control.server import MAX_CONNECTIONS, ControlServer
from ginnel.errors import ControlError, StateError
from tests.waiting import until


async def echo(question: Question) -> object:
    return {"you asked": question}


async def refuse(_: Question) -> object:
    raise StateError("what is wrong", hint="what would be right")


async def break_down(_: Question) -> object:
    raise ZeroDivisionError("a secret")


async def nonsense(_: Question) -> object:
    return object()


HANDLERS: dict[str, Handler] = {"echo": echo, "refuse": refuse, "break": break_down, "nonsense": nonsense}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the socket is."""
    return tmp_path / "control"


@pytest.fixture
async def server(path: Path) -> AsyncIterator[ControlServer]:
    """A server that listens."""
    server = ControlServer(path, dict(HANDLERS))
    await server.start()
    yield server
    await server.aclose()


async def say(path: Path, line: bytes) -> dict[str, object]:
    """Say something; the answer."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(line)
        writer.write_eof()
        answer: dict[str, object] = json.loads(await reader.read())
        return answer
    finally:
        writer.close()


async def test_it_answers(server: ControlServer, path: Path) -> None:
    assert await say(path, b'{"ask": "echo", "a": 1}\n') == {"answer": {"you asked": {"ask": "echo", "a": 1}}}
    assert await say(path, b'{"ask": "refuse"}\n') == {
        "error": "what is wrong", "hint": "what would be right"
    }  # fmt: skip


async def test_a_handler_may_come_later(path: Path) -> None:
    handlers: dict[str, Handler] = {}
    server = ControlServer(path, handlers)
    await server.start()
    assert "cannot be asked here" in str((await say(path, b'{"ask": "echo"}\n'))["error"])
    handlers["echo"] = echo
    assert "answer" in await say(path, b'{"ask": "echo"}\n')
    await server.aclose()


@pytest.mark.parametrize("ask", ["break", "nonsense"])
async def test_a_handler_that_breaks_shows_its_kind_only(server: ControlServer, path: Path, ask: str) -> None:
    answer = await say(path, json.dumps({"ask": ask}).encode() + b"\n")
    assert str(answer["error"]).startswith("something unforeseen: ")
    assert "secret" not in str(answer)
    assert "answer" in await say(path, b'{"ask": "echo"}\n')


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"", "cut off"),
        (b'{"ask"', "cut off"),
        (b"GET / HTTP/1.1\r\n", "not JSON"),
        (b"[" * 4000 + b"\n", "not JSON"),
        (b"5\n", "not a JSON object"),
        (b"{}\n", "no word"),
        (b'{"ask": "xyzzy"}\n', "'xyzzy' cannot be asked here"),
        (b"x" * (MAX_QUESTION_BYTES * 3), "longer than 4,096 bytes"),
        (b"x" * (MAX_QUESTION_BYTES * 3) + b"\n", "longer than 4,096 bytes"),
    ],
)
async def test_bad_questions_get_an_answer(
    server: ControlServer, path: Path, line: bytes, complaint: str
) -> None:
    assert complaint in str((await say(path, line))["error"])
    assert "answer" in await say(path, b'{"ask": "echo"}\n')


async def test_its_file_is_for_the_owner_alone_and_goes_with_it(path: Path) -> None:
    before = os.umask(0)
    try:
        server = ControlServer(path, HANDLERS)
        await server.start()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await server.aclose()
    await server.aclose()
    assert not path.exists()


async def test_what_stands_in_its_place_is_left_alone(path: Path) -> None:
    for make in (
        lambda: path.write_text("precious"),
        lambda: path.symlink_to("x"),
        lambda: os.mkfifo(path, 0o600),
        lambda: path.mkdir(),
    ):
        make()
        with pytest.raises(StateError, match="is not a socket"):
            await ControlServer(path, HANDLERS).start()
        assert path.is_symlink() or path.exists()
        with contextlib.suppress(IsADirectoryError):
            path.unlink()


async def test_a_socket_of_the_dead_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        path.chmod(0o600)
    server = ControlServer(path, HANDLERS)
    await server.start()
    assert "answer" in await say(path, b'{"ask": "echo"}\n')
    await server.aclose()


async def test_a_socket_of_the_living_is_not(server: ControlServer, path: Path) -> None:
    with pytest.raises(ControlError, match="another process listens"):
        await ControlServer(path, HANDLERS).start()
    assert "answer" in await say(path, b'{"ask": "echo"}\n')


async def test_a_file_that_is_not_ours_any_more_stays(server: ControlServer, path: Path) -> None:
    path.unlink()
    path.write_text("precious")
    await server.aclose()
    assert path.read_text() == "precious"


async def test_a_long_path(tmp_path: Path) -> None:
    directory = tmp_path / ("x" * 100) / ("y" * 100)
    directory.mkdir(parents=True)
    server = ControlServer(directory / "control", HANDLERS)
    await server.start()
    link = tmp_path / "short"
    link.symlink_to(directory)
    assert "answer" in await say(link / "control", b'{"ask": "echo"}\n')
    await server.aclose()
    assert list(directory.iterdir()) == []


async def test_the_silent_and_the_deaf_hold_no_place(
    server: ControlServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "STEP_SECONDS", 0.05)

    async def long(_: Question) -> object:
        return "x" * 4_000_000

    server._handlers["long"] = long  # type: ignore[index]  # a dict, made by the fixture
    silent, silent_writer = await asyncio.open_unix_connection(path)
    assert "no question came" in json.loads(await silent.read())["error"]
    silent_writer.close()
    deaf, deaf_writer = await asyncio.open_unix_connection(path, limit=1)
    deaf_writer.write(b'{"ask": "long"}\n')
    async with asyncio.timeout(10):
        while server._conversations:  # noqa: ASYNC110 - nothing tells the end of a conversation
            await asyncio.sleep(0.01)
    with contextlib.suppress(ConnectionError):
        assert len(await deaf.read()) < 4_000_000
    deaf_writer.close()


async def test_work_that_takes_too_long_is_given_up(
    server: ControlServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "WORK_SECONDS", 0.05)
    ended = asyncio.Event()

    async def forever(_: Question) -> object:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return None

    server._handlers["forever"] = forever  # type: ignore[index]  # a dict, made by the fixture
    assert "no answer was found" in str((await say(path, b'{"ask": "forever"}\n'))["error"])
    assert ended.is_set()


async def test_too_many_at_once_are_sent_away(server: ControlServer, path: Path) -> None:
    waiting = [await asyncio.open_unix_connection(path) for _ in range(MAX_CONNECTIONS)]
    while len(server._conversations) < MAX_CONNECTIONS:  # noqa: ASYNC110 - nothing tells its beginning
        await asyncio.sleep(0)
    assert "too many ask at once" in str((await say(path, b'{"ask": "echo"}\n'))["error"])
    for _, writer in waiting:
        writer.close()
    while server._conversations:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
    assert "answer" in await say(path, b'{"ask": "echo"}\n')


async def test_closing_ends_conversations(server: ControlServer, path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    while not server._conversations:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
    await server.aclose()
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize(("user", "answered"), [(0, True), (os.getuid(), True), (os.getuid() + 4711, False)])
async def test_only_the_owner_and_root_are_answered(
    server: ControlServer, path: Path, monkeypatch: pytest.MonkeyPatch, user: int, answered: bool
) -> None:
    """Whoever connects; the file's mode is another fence."""
    real = server_module._check_peer

    class Peer:
        def getsockopt(self, *_: object) -> bytes:
            return struct.pack("3i", 1, user, 1)

    monkeypatch.setattr(server_module, "_check_peer", lambda _: real(Peer()))  # type: ignore[arg-type]  # a stand-in
    answer = await say(path, b'{"ask": "echo"}\n')
    assert ("answer" in answer) is answered
    assert answered or "not yours to ask" in str(answer["error"])


async def test_a_socket_that_was_removed_is_made_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server_module, "_WATCH_SECONDS", 0.001)
    server = ControlServer(path, dict(HANDLERS))
    await server.start()
    for _ in range(2):
        path.unlink()
        await until(path.exists)
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600
        assert "answer" in await say(path, b'{"ask": "echo"}\n')
    assert "has been made again" in caplog.text
    # Where it cannot be made, that is said once; what is not ours stays.
    moved = path.parent.rename(path.parent.with_name("moved"))
    await until(lambda: "cannot be made again" in caplog.text)
    await asyncio.sleep(0.01)
    assert caplog.text.count("cannot be made again") == 1
    moved.rename(path.parent)
    await server.aclose()
    assert not path.exists()
    path.write_text("of somebody else")
    await asyncio.sleep(0.01)
    assert path.read_text() == "of somebody else"
