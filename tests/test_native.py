"""The door to the engine: replies, events, errors, closing, forks."""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from ginnel import _native
from ginnel._native import Native, OpenedStream
from ginnel._setup import PLAIN_KCP, ClientSetup, ServerSetup
from ginnel.errors import (
    ClosedError,
    ConfigError,
    EngineError,
    LimitReached,
    ListenError,
    NoAnswer,
    StateError,
    TargetRefused,
)
from tests.fake_engine import LINK, Engine
from tests.waiting import until

Events = list[tuple[str, dict[str, object]]]


def client_setup(key: bytes = bytes(32)) -> ClientSetup:
    return ClientSetup(servers=[("udp", "192.0.2.1", [(5, 5)], bytes(32), bytes(32), key)])


def server_setup(port: int = 0) -> ServerSetup:
    return ServerSetup(
        listen=[("udp", "127.0.0.1", [(port, port)])],
        psk=bytes(32),
        previous_psk=None,
        private_key=bytes(32),
        users=[],
        allow_private=False,
        replay_file="replay",
    )


@pytest.fixture
def events() -> Events:
    """What the engine told."""
    return []


@pytest.fixture
async def native(engines: list[Engine], events: Events) -> AsyncIterator[Native]:
    """A client engine on the test's loop."""
    native = Native.client(client_setup(), lambda name, facts: events.append((name, facts)))
    yield native
    await native.shutdown(0.0)


async def test_replies_find_their_callers_in_any_order(native: Native, engines: list[Engine]) -> None:
    engines[0].hold = {"probe"}
    waiting = [asyncio.create_task(native.probe(5.0)) for _ in range(3)]
    await until(lambda: len(engines[0].held.get("probe", [])) == 3)
    for number, ticket in reversed(list(enumerate(engines[0].held["probe"]))):
        engines[0].reply(ticket, float(number))
    assert await asyncio.gather(*waiting) == [0.0, 1.0, 2.0]


async def test_the_arguments_arrive(native: Native, engines: list[Engine]) -> None:
    assert (await native.connect(2.5))["peer"] == "192.0.2.1:5"
    assert await native.listen_socks5("127.0.0.1", 0, "u", "p") == (7, "127.0.0.1", 1081)
    await native.close_listener(7)
    assert engines[0].calls == [
        ("connect", 2.5),
        ("listen_socks5", "127.0.0.1", 0, "u", "p"),
        ("close_listener", 7),
    ]
    assert native.local_addresses == [("udp", "0.0.0.0", 50_000)]  # noqa: S104 - what the fake says
    assert native.stats()["gauges"] == {"links": 1}
    assert native.links() == [LINK]


async def test_a_failure_becomes_the_error_of_its_kind_with_its_facts(native: Native) -> None:
    Engine.answer_connect = False
    with pytest.raises(NoAnswer, match=r"no answer from 192.0.2.1:5 in 3 s"):
        await native.connect(3.0)
    with pytest.raises(TargetRefused) as refused:
        await native.open("refused.test", 80, lambda opened: opened, lambda _: None)
    assert (refused.value.host, refused.value.port) == ("refused.test", 80)
    Engine.busy_ports.add(1080)
    with pytest.raises(ListenError, match=r"\[::1\]:1080 is in use"):
        await native.listen_socks5("::1", 1080, None, None)


async def test_events_come_in_order_between_replies(
    native: Native, engines: list[Engine], events: Events
) -> None:
    engines[0].emit("link_up", peer="a")
    engines[0].emit("link_down", peer="a")
    await native.probe(1.0)
    assert events == [("link_up", {"peer": "a"}), ("link_down", {"peer": "a"})]


async def test_records_of_the_engines_log_go_to_logging(
    native: Native, engines: list[Engine], events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(_native.TRACE, "ginnel.stream")
    levels = {"error": 40, "warning": 30, "info": 20, "debug": 10, "trace": 5}
    for level in levels:
        engines[0].emit("log", level=level, area="stream", message=f"100 %s of {level}", link="3-1", stream=4)
    await native.probe(1.0)
    assert caplog.record_tuples == [
        ("ginnel.stream", number, f"100 %s of {level}") for level, number in levels.items()
    ]
    assert all(vars(record)["facts"] == {"link": "3-1", "stream": 4} for record in caplog.records)
    assert events == []
    caplog.clear()
    logging.getLogger("ginnel.stream").setLevel(logging.WARNING)  # caplog puts it back
    engines[0].emit("log", level="info", area="stream", message="not shown")
    await native.probe(1.0)
    assert caplog.records == []


async def test_what_can_be_changed_while_it_runs(native: Native, engines: list[Engine]) -> None:
    await native.set_limits({"streams": 5.0}, ("fixed", 12_500.0), {"junk_count": (1, 3)}, ("fast3", 2, 64))
    await native.set_allow_private(True)
    native.set_log({"": "debug"})
    assert engines[0].calls == [
        ("set_limits", {"streams": 5.0}, ("fixed", 12_500.0), {"junk_count": (1, 3)}, ("fast3", 2, 64)),
        ("set_allow_private", True),
        ("set_log", {"": "debug"}),
    ]
    # Also what is the default: the engine may have another one.
    await native.set_limits({}, ("adaptive", None), {}, PLAIN_KCP)
    assert engines[0].calls[-1] == ("set_limits", {}, ("adaptive", None), {}, PLAIN_KCP)
    with pytest.raises(ConfigError, match="'loud' is no level"):
        native.set_log({"": "loud"})
    engines[0].closed = True
    with pytest.raises(ClosedError):
        native.set_log({})


def test_default_limits(engines: list[Engine]) -> None:
    assert _native.default_limits("client") == {"streams": 8192.0}


async def test_a_bad_handler_costs_nothing_but_itself(engines: list[Engine]) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    def broken(name: str, facts: dict[str, object]) -> None:
        raise RuntimeError(name)

    native = Native.client(client_setup(), broken)
    engines[0].emit("link_up")
    assert await native.probe(1.0) == 0.0125
    assert complaints[0]["message"] == "handler of link_up failed"
    await native.shutdown(0.0)


async def test_too_many_commands_in_flight_is_a_limit(native: Native, engines: list[Engine]) -> None:
    engines[0].full = True
    with pytest.raises(LimitReached, match="too many commands in flight"):
        await native.probe(1.0)
    engines[0].full = False
    assert await native.probe(1.0) == 0.0125


async def test_a_stream_is_accepted_before_a_later_event_is_seen(
    native: Native, engines: list[Engine]
) -> None:
    order: list[str] = []
    native._on_event = lambda name, _: order.append(name)

    def accept(opened: OpenedStream) -> OpenedStream:
        order.append("accepted")
        return opened

    opening = asyncio.create_task(native.open("example.org", 80, accept, lambda _: None))
    await until(lambda: engines[0].far_ends)
    engines[0].emit("stream_reset", stream=1)
    opened = await opening
    assert order == ["accepted", "stream_reset"]
    assert opened.socket.family is socket.AF_UNIX
    opened.socket.close()


async def test_a_stream_nobody_waits_for_is_discarded(native: Native, engines: list[Engine]) -> None:
    discarded: list[OpenedStream] = []
    engines[0].hold = {"open"}
    opening = asyncio.create_task(native.open("example.org", 80, lambda opened: opened, discarded.append))
    await until(lambda: engines[0].held)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    engines[0].reply(engines[0].held["open"][0], engines[0].hand_over())
    await until(lambda: discarded)
    discarded[0].socket.close()


async def test_a_caller_cancelled_just_after_the_reply_leaks_nothing(
    native: Native, engines: list[Engine]
) -> None:
    discarded: list[OpenedStream] = []
    opening: asyncio.Task[OpenedStream]

    def accept(opened: OpenedStream) -> OpenedStream:
        # The reply is being taken: the caller runs in the next turn of the loop, and is cancelled before.
        asyncio.get_running_loop().call_soon(opening.cancel)
        return opened

    opening = asyncio.create_task(native.open("example.org", 80, accept, discarded.append))
    with pytest.raises(asyncio.CancelledError):
        await opening
    (opened,) = discarded
    opened.socket.close()


async def test_a_listener_nobody_waits_for_is_closed(native: Native, engines: list[Engine]) -> None:
    engines[0].hold = {"listen_socks5"}
    listening = asyncio.create_task(native.listen_socks5("127.0.0.1", 0, None, None))
    await until(lambda: engines[0].held)
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    engines[0].reply(engines[0].held["listen_socks5"][0], (9, "127.0.0.1", 1080))
    await until(lambda: ("close_listener", 9) in engines[0].calls)


async def test_set_users_needs_no_waiting_and_logs_its_failure(
    engines: list[Engine], caplog: pytest.LogCaptureFixture
) -> None:
    native = Native.server(server_setup(), lambda name, facts: None)
    engines[0].hold = {"set_users"}
    native.set_users([("anna", bytes(32))])
    assert engines[0].calls == [("set_users", [("anna", bytes(32))])]
    engines[0].fail(engines[0].held["set_users"][0], "failed", "table refused", {})
    with caplog.at_level(logging.WARNING):
        await until(lambda: "table refused" in caplog.text)
    await native.shutdown(0.0)


async def test_after_its_end_everything_says_closed(native: Native, engines: list[Engine]) -> None:
    engines[0].hold = {"probe"}
    waiting = asyncio.create_task(native.probe(1.0))
    await until(lambda: engines[0].held)
    await native.shutdown(4.0)
    with pytest.raises(ClosedError):
        await waiting
    with pytest.raises(ClosedError):
        await native.probe(1.0)
    with pytest.raises(ClosedError):
        native.stats()
    with pytest.raises(ClosedError):
        native.links()
    await native.shutdown(0.0)
    assert [call for call in engines[0].calls if call[0] == "shutdown"] == [("shutdown", 4.0)]


async def test_a_second_shutdown_ends_the_drain_of_the_first(native: Native, engines: list[Engine]) -> None:
    engines[0].hold = {"shutdown"}
    draining = asyncio.create_task(native.shutdown(3600.0))
    await until(lambda: engines[0].held)
    await native.shutdown(0.0)
    await draining
    assert engines[0].calls == [("shutdown", 3600.0), ("shutdown", 0.0)]


async def test_a_cancelled_shutdown_ends_at_once(native: Native, engines: list[Engine]) -> None:
    engines[0].hold = {"shutdown"}
    draining = asyncio.create_task(native.shutdown(3600.0))
    await until(lambda: engines[0].held)
    draining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await draining
    assert engines[0].calls[-1] == ("shutdown", 0.0)
    with pytest.raises(ClosedError):
        native.stats()


async def test_an_engine_that_does_not_end_is_left_behind(
    native: Native, engines: list[Engine], events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_native, "CLOSE_GRACE_SECONDS", 0.0)
    monkeypatch.setattr(engines[0], "shutdown", lambda ticket, drain: None)
    await native.shutdown(0.0)
    assert events == [("stopped", {"reason": "the engine did not end in time"})]
    with pytest.raises(ClosedError):
        native.stats()


async def test_a_dead_engine_is_noticed_and_told_once(
    native: Native, engines: list[Engine], events: Events
) -> None:
    engines[0].hold = {"probe"}
    waiting = asyncio.create_task(native.probe(1.0))
    await until(lambda: engines[0].held)
    engines[0].die()
    with pytest.raises(EngineError, match="the engine stopped"):
        await waiting
    assert events == [("stopped", {"reason": "the engine stopped"})]


async def test_an_inbox_that_fails_is_a_dead_engine(
    native: Native, engines: list[Engine], events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drain() -> list[Any]:
        raise RuntimeError("poisoned")

    monkeypatch.setattr(engines[0], "drain", drain)
    engines[0].emit("link_up")
    await until(lambda: events)
    assert events == [("stopped", {"reason": "the engine stopped: poisoned"})]


async def test_a_forked_child_gets_a_clear_error(native: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = os.getpid()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: parent + 1)
        with pytest.raises(
            EngineError, match=f"in process {parent}, from which this one was forked"
        ) as caught:
            await native.probe(1.0)
    assert caught.value.kind == "forked"


async def test_a_port_in_use_and_a_bad_key(engines: list[Engine]) -> None:
    Engine.busy_ports.add(443)
    with pytest.raises(ListenError, match=r"udp 127.0.0.1:443 is in use by another program"):
        Native.server(server_setup(443), lambda name, facts: None)
    with pytest.raises(ConfigError, match="32 bytes"):
        Native.client(client_setup(bytes(5)), lambda name, facts: None)


def test_a_missing_module_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ginnel._engine", None)
    monkeypatch.delattr("ginnel._engine", raising=False)
    with pytest.raises(EngineError, match="native engine of ginnel cannot be loaded") as caught:
        _native.engine_version()
    assert "make build" in caught.value.hint


def test_setups_do_not_show_their_keys() -> None:
    assert "psk" not in repr(client_setup()) + repr(server_setup())


@pytest.mark.usefixtures("engines")
def test_key_functions_are_the_engines() -> None:
    private = _native.generate_private_key()
    assert len(_native.public_key(private)) == 32
    assert _native.derive_user_key(private, "a", 1) != _native.derive_user_key(private, "a", 2)
    assert _native.engine_version() == "0.0.fake"


async def test_a_bad_replay_file_is_the_states(
    engines: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    def bad(_: object) -> Engine:
        raise OSError("replay: it is a directory")

    monkeypatch.setattr(Engine, "server", bad)
    with pytest.raises(StateError, match="replay: it is a directory") as caught:
        Native.server(server_setup(), lambda name, facts: None)
    assert caught.value.path == "replay"


def on_another_loop(work: Callable[[], Coroutine[Any, Any, object]]) -> EngineError:
    """The error that the work fails with on a loop of its own, in a thread of its own."""

    async def run() -> None:
        await work()

    with pytest.raises(EngineError, match="belongs to another event loop") as caught:
        asyncio.run(run())
    assert caught.value.kind == "loop"
    return caught.value


async def test_another_loop_is_refused_before_anything_is_sent(native: Native, engines: list[Engine]) -> None:
    async def set_users() -> None:
        native.set_users([])

    works: list[Callable[[], Coroutine[Any, Any, object]]] = [
        lambda: native.probe(1.0),
        lambda: native.open("example.org", 80, lambda opened: opened, lambda _: None),
        lambda: native.shutdown(0.0),
        set_users,
    ]
    for work in works:
        await asyncio.to_thread(on_another_loop, work)
    with pytest.raises(EngineError, match="another event loop"):
        await asyncio.to_thread(native.set_users, [])
    assert engines[0].calls == []
    assert native._waiting == {}
    assert await native.probe(1.0) == 0.0125


async def test_a_forked_child_that_closes_ends_nothing(
    native: Native, engines: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = os.getpid()

    def without_a_loop() -> None:
        with pytest.raises(StopIteration):
            native.shutdown(4.0).send(None)

    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: parent + 1)
        await native.shutdown(4.0)
        await asyncio.to_thread(without_a_loop)
    assert engines[0].calls == []
    assert await native.probe(1.0) == 0.0125
