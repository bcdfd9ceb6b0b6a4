"""Users of a running server: told to the engine, counted, through full disks and ends."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ginnel.api import served as served_module
from ginnel.api.server import Server
from ginnel.config.roster import Roster, Usage, User
from ginnel.config.state import StateDirectory
from ginnel.errors import StateError
from tests.fake_engine import Engine
from tests.waiting import until


@pytest.fixture(autouse=True)
def figures(engines: list[Engine], monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, int]]:
    """What the engine says of its users."""
    figures: dict[str, dict[str, int]] = {}

    def stats(engine: Engine) -> dict[str, Any]:
        if engine.closed:
            raise RuntimeError("closed")
        return {"users": {name: dict(figure) for name, figure in figures.items()}}

    monkeypatch.setattr(Engine, "stats", stats)
    return figures


def used(streams: int, received: int, sent: int, links: int = 0) -> dict[str, int]:
    return {
        "links": links, "streams": 0, "streams_opened": streams, "bytes_received": received, "bytes_sent": sent
    }  # fmt: skip


def usage_of(state: Path, name: str) -> Usage:
    with contextlib.closing(StateDirectory(state).roster()) as roster:
        (usage,) = (record.usage for record in roster.records() if record.user.name == name)
        return usage


def serve(state: Path) -> Server:
    return Server(state=state, listen="127.0.0.1:0")


async def test_counts_reach_the_disk_in_time(
    state: Path, figures: dict[str, dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_module, "_COUNT_SECONDS", 0.001)
    async with serve(state):
        figures["default"] = used(2, 30, 400)
        await until(lambda: usage_of(state, "default").bytes_sent == 400)
        figures["default"] = used(3, 30, 500)
        await until(lambda: usage_of(state, "default").bytes_sent == 500)
    assert usage_of(state, "default").streams == 3


async def test_a_database_that_a_thread_writes_to_is_not_closed(
    state: Path, figures: dict[str, dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite crashes the whole process at that."""
    monkeypatch.setattr(served_module, "_COUNT_SECONDS", 0.001)
    writing, go_on, closed_meanwhile = threading.Event(), threading.Event(), []
    count, close = Roster.count, Roster.close

    def slow(self: Roster, run: str, batch: int, usage: Mapping[str, Usage]) -> None:
        writing.set()
        go_on.wait(60)
        writing.clear()
        count(self, run, batch, usage)

    def watched(self: Roster) -> None:
        closed_meanwhile.append(writing.is_set())
        close(self)

    monkeypatch.setattr(Roster, "count", slow)
    async with serve(state) as server:
        figures["default"] = used(2, 30, 400)
        await until(writing.is_set)
        monkeypatch.setattr(Roster, "close", watched)
        assert server._served is not None
        closing = asyncio.create_task(server._served.aclose())
        for _ in range(100):  # turns of the loop: more than it takes to close
            await asyncio.sleep(0)
        go_on.set()
        await closing
    assert closed_meanwhile
    assert not any(closed_meanwhile)
    assert usage_of(state, "default").bytes_sent == 400


async def test_counts_are_written_at_the_end_and_go_on_at_the_next_start(
    state: Path, engines: list[Engine], figures: dict[str, dict[str, int]]
) -> None:
    for _ in range(2):
        async with serve(state):
            engines[-1].emit("link_up", peer="192.0.2.9:5", session="quic", carrier="udp", user="default")
            figures["default"] = used(1, 10, 100)
            await asyncio.sleep(0)
            await until(lambda: not engines[-1]._inbox)
        figures.clear()
    usage = usage_of(state, "default")
    assert (usage.links, usage.streams, usage.bytes_received, usage.bytes_sent) == (2, 2, 20, 200)
    assert usage.last_seen is not None


async def test_what_flows_during_the_drain_is_counted(
    state: Path, engines: list[Engine], figures: dict[str, dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_module, "_DRAIN_COUNT_SECONDS", 0.001)
    server = serve(state)
    await server.start()
    engines[0].hold = {"shutdown"}
    closing = asyncio.create_task(server.aclose())
    await until(lambda: "shutdown" in engines[0].held)
    figures["default"] = used(1, 10, 100)
    assert server._served is not None
    await until(lambda: server._served and server._served._counters.is_waiting)
    await server.aclose(0)
    await closing
    assert usage_of(state, "default").bytes_sent == 100


async def test_asking_for_users_writes_what_was_counted(
    state: Path, figures: dict[str, dict[str, int]]
) -> None:
    async with serve(state) as server:
        figures["default"] = used(1, 10, 100, links=3)
        assert await server.handlers["users"]({}) == {"default": 3}
        assert usage_of(state, "default").bytes_sent == 100


async def test_a_full_disk_is_told_once_and_loses_nothing(
    state: Path,
    figures: dict[str, dict[str, int]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(served_module, "_COUNT_SECONDS", 0.001)
    tries = 0
    real = Roster.count

    def full(self: Roster, run: str, batch: int, usage: Mapping[str, Usage]) -> None:
        nonlocal tries
        tries += 1
        raise StateError("the disk is full")

    async with serve(state) as server:
        monkeypatch.setattr(Roster, "count", full)
        figures["default"] = used(1, 10, 100)
        await until(lambda: tries > 3)
        assert server.users() == ("default",)
        assert caplog.text.count("counts of users wait to be written: the disk is full") == 1
        monkeypatch.setattr(Roster, "count", real)
        await until(lambda: usage_of(state, "default").bytes_sent == 100)
        # And when it is full again, that is told again.
        monkeypatch.setattr(Roster, "count", full)
        figures["default"] = used(2, 20, 200)
        await until(lambda: caplog.text.count("the disk is full") == 2)
        monkeypatch.setattr(Roster, "count", real)
    assert usage_of(state, "default") == Usage(0, 2, 20, 200, usage_of(state, "default").last_seen)


async def test_who_is_removed_and_comes_back_begins_at_nothing(
    state: Path, figures: dict[str, dict[str, int]], engines: list[Engine]
) -> None:
    async with serve(state) as server:
        server.share_link("anna")
        figures["anna"] = used(1, 10, 100, links=2)
        with contextlib.closing(StateDirectory(state).roster()) as roster:
            roster.remove(["anna"])
            assert await server.handlers["users_changed"]({}) == 2
            assert [name for name, _ in engines[0].calls[-1][1]] == ["default"]
            roster.add(["anna"])
            assert await server.handlers["users_changed"]({}) == 0
        figures["anna"] = used(1, 10, 107)
    assert usage_of(state, "anna").bytes_sent == 7


async def test_a_new_key_ends_the_links_of_the_old_one(
    state: Path, figures: dict[str, dict[str, int]], engines: list[Engine]
) -> None:
    async with serve(state) as server:
        old = server.share_link("anna")
        figures["anna"] = used(1, 10, 100, links=1)
        with contextlib.closing(StateDirectory(state).roster()) as roster:
            roster.rotate(["anna"])
        assert await server.handlers["users_changed"]({}) == 1
        assert server.share_link("anna") != old
        tables = [dict(call[1]) for call in engines[0].calls if call[0] == "set_users"]
        assert len({table["anna"] for table in tables}) == 2


async def test_an_engine_that_does_not_say_is_counted_by_its_events(
    state: Path, engines: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "stats", lambda _: {"links": 1})
    async with serve(state) as server:
        for _ in range(3):
            engines[0].emit("link_up", peer="192.0.2.9:5", session="quic", carrier="udp", user="default")
        engines[0].emit("link_down", peer="192.0.2.9:5", reason="closed", user="default")
        await until(lambda: server._served and server._served._links["default"] == 2)
        assert await server.handlers["users"]({}) == {"default": 2}
    assert usage_of(state, "default").links == 3


async def test_a_change_during_the_reading_is_not_missed(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_module, "_WATCH_SECONDS", 0.001)
    async with serve(state) as server:
        assert server._served is not None
        roster = server._served._roster
        read = roster.users

        def users() -> tuple[User, ...]:
            found = read()
            monkeypatch.setattr(roster, "users", read)
            with contextlib.closing(StateDirectory(state).roster()) as other:
                other.add(["late"])
            return found

        monkeypatch.setattr(roster, "users", users)
        await server.handlers["users_changed"]({})
        await until(lambda: server.users() == ("default", "late"))


async def test_nothing_is_told_to_the_engine_when_no_user_has_changed(
    state: Path, engines: list[Engine], figures: dict[str, dict[str, int]]
) -> None:
    async with serve(state) as server:
        figures["default"] = used(1, 10, 100)
        await server.handlers["users"]({})
        await server.handlers["users_changed"]({})
        assert [call[0] for call in engines[0].calls] == []


async def test_a_new_key_loses_no_counts(state: Path, figures: dict[str, dict[str, int]]) -> None:
    async with serve(state) as server:
        server.share_link("anna")
        figures["anna"] = used(1, 10, 100, links=1)
        with contextlib.closing(StateDirectory(state).roster()) as roster:
            roster.rotate(["anna"])
        await server.handlers["users_changed"]({})
    assert usage_of(state, "anna").bytes_sent == 100


async def test_the_end_waits_for_a_lock(
    state: Path, figures: dict[str, dict[str, int]], caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(state)
    await server.start()
    figures["default"] = used(1, 10, 100)
    with contextlib.closing(sqlite3.connect(state / "users.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await server.handlers["users"]({})  # as patient as usual
        assert "counts of users wait to be written" in caplog.text
        closing = asyncio.create_task(server.aclose())
        await until(lambda: server._served and server._served._patience > 1)
        other.execute("ROLLBACK")
    await closing
    assert usage_of(state, "default").bytes_sent == 100


async def test_what_is_lost_at_the_end_is_said(
    state: Path,
    figures: dict[str, dict[str, int]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(self: Roster, run: str, batch: int, usage: Mapping[str, Usage]) -> None:
        raise StateError("the disk is full")

    monkeypatch.setattr(Roster, "count", full)
    async with serve(state):
        figures["default"] = used(2, 10, 100)
    assert "counts of 1 users are lost (2 streams, 110 bytes): the disk is full" in caplog.text
