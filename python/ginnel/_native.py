"""The only door to the native engine: its inbox on an asyncio loop, its errors as ours.

The engine's threads never touch Python. They put replies and events into an inbox and make a descriptor readable;
the loop then calls `_take_inbox`, which completes futures (replies, by ticket) and calls `on_event` (events, in
order, between the replies). One event is our own: `stopped` {reason}, the engine is gone unasked. Nothing is
imported from the engine before the first call that needs it.
"""

import asyncio
import contextlib
import errno
import itertools
import logging
import os
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ginnel._setup import ClientSetup, Kcp, ServerSetup
from ginnel.errors import (
    ClosedError,
    ConfigError,
    EngineError,
    GinnelError,
    LimitReached,
    StateError,
    from_engine,
    listen_error,
    rights_error,
)

if TYPE_CHECKING:
    from ginnel._engine import Dissector, Engine

T = TypeVar("T")

CLOSE_GRACE_SECONDS = 0.5
"""How much longer than its drain a shutdown may take before it is given up on."""
_MAX_EMPTY_WAKES = 100
"""So many wake-ups in a row with an empty inbox mean that the engine's end of it is gone."""

TRACE = 5
"""The level of `logging` below DEBUG, for what the engine calls trace."""
LOG_LEVELS = {
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": TRACE,
}
"""The engine's levels as those of `logging`."""

_log = logging.getLogger("ginnel.engine")
# A library is silent unless the program listens.
logging.getLogger("ginnel").addHandler(logging.NullHandler())

EventHandler = Callable[[str, dict[str, object]], None]


@dataclass(frozen=True, slots=True)
class OpenedStream:
    """A stream that the engine handed over: its number, and our end of its socket."""

    number: int
    socket: socket.socket


def _load() -> ModuleType:
    try:
        from ginnel import _engine
    except ImportError as error:
        raise EngineError(
            f"the native engine of ginnel cannot be loaded: {error}",
            hint="Install a wheel of ginnel, or build it in a clone of the project:  make build",
            kind="missing",
        ) from error
    return _engine


def generate_private_key() -> bytes:
    """Draw an X25519 private key."""
    return cast(bytes, _load().generate_private_key())


def public_key(private_key: bytes) -> bytes:
    """Return the public key of an X25519 private key."""
    return cast(bytes, _load().public_key(private_key))


def derive_user_key(server_private_key: bytes, user: str, generation: int) -> bytes:
    """Return the private key of a user of a server."""
    return cast(bytes, _load().derive_user_key(server_private_key, user, generation))


def dissector() -> "Dissector":
    """Return a dissector of datagrams that has no keys yet."""
    return cast("Dissector", _load().Dissector())


def default_limits(role: str) -> dict[str, float]:
    """Return every limit that can be set, with its default for a role: seconds, bytes, counts."""
    return cast("dict[str, float]", _load().default_limits(role))


def engine_version() -> str:
    """Return the engine's version."""
    return cast(str, _load().engine_version())


def _check_key_log(error: OSError, key_log: str | None) -> None:
    if error.errno is None and key_log is not None and key_log in str(error):
        raise ConfigError(str(error), setting="key_log") from error


def _carrier_error(error: OSError, setup: ServerSetup | ClientSetup) -> GinnelError:
    """The error of a carrier that cannot be had. The engine names the one that is not UDP."""
    carrier = str(error.filename or "udp")
    if carrier == "rawtcp" and error.errno == errno.EPERM:
        return rights_error()
    where = _where(setup, carrier) if isinstance(setup, ServerSetup) else _SOCKETS.get(carrier, carrier)
    told = listen_error(where, error.errno, error.strerror or str(error))
    told.carrier = carrier
    return told


_SOCKETS = {"udp": "a UDP socket", "rawtcp": "a port for raw TCP"}


def _where(setup: ServerSetup, carrier: str) -> str:
    """Where a server listens with a carrier, in an error's words."""
    from ginnel.config.address import Endpoint
    from ginnel.config.ports import Ports

    places = [Endpoint(host, Ports(tuple(ranges))) for name, host, ranges in setup.listen if name == carrier]
    return f"{carrier} {', '.join(map(str, places))}"


class Native:
    """One engine on the running loop. Use it from that loop's thread only."""

    def __init__(self, engine: "Engine", on_event: EventHandler) -> None:
        self._engine = engine
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._process = os.getpid()
        self._tickets = itertools.count(1)
        # Bounded by the engine, which refuses commands when too many are in flight.
        self._waiting: dict[int, _Waiting[Any]] = {}
        self._empty_wakes = 0
        self._closed = False
        self._descriptor = engine.fileno()
        self._loop.add_reader(self._descriptor, self._take_inbox)

    @classmethod
    def server(cls, setup: ServerSetup, on_event: EventHandler) -> "Native":
        """Start a server engine. ListenError when the address cannot be bound, StateError for a bad replay file."""
        module = _load()
        try:
            return cls(module.Engine.server(setup), on_event)
        except OSError as error:
            _check_key_log(error, setup.key_log)
            if error.errno is None and setup.replay_file in str(error):
                # Not the system's word on an address, which has a number, but the engine's on a file.
                raise StateError(str(error), path=setup.replay_file) from error
            raise _carrier_error(error, setup) from error
        except ValueError as error:
            raise ConfigError(str(error)) from error

    @classmethod
    def client(cls, setup: ClientSetup, on_event: EventHandler) -> "Native":
        """Start a client engine, which sets up its link at once."""
        module = _load()
        try:
            return cls(module.Engine.client(setup), on_event)
        except OSError as error:
            _check_key_log(error, setup.key_log)
            raise _carrier_error(error, setup) from error
        except ValueError as error:
            raise ConfigError(str(error)) from error

    @property
    def local_addresses(self) -> list[tuple[str, str, int]]:
        """Of each carrier its name, host and lowest port, of a server in the order in which it listens."""
        return self._engine.local_addresses

    def stats(self) -> dict[str, Any]:
        """Return the engine's statistics, as its stub describes them."""
        self._check_usable()
        try:
            return self._engine.stats()
        except RuntimeError as error:
            raise ClosedError(str(error) or "the engine is closed") from error

    def links(self) -> list[dict[str, Any]]:
        """Return what the engine's links know of their paths, as its stub describes it."""
        self._check_usable()
        try:
            return self._engine.links()
        except RuntimeError as error:
            raise ClosedError(str(error) or "the engine is closed") from error

    async def connect(self, timeout_seconds: float) -> dict[str, object]:
        """Wait for the link; its facts: peer, rtt, session, carrier."""
        return await self._request(lambda ticket: self._engine.connect(ticket, timeout_seconds))

    async def probe(self, timeout_seconds: float) -> float:
        """Measure one round trip on the live link, in seconds."""
        return await self._request(lambda ticket: self._engine.probe(ticket, timeout_seconds))

    async def listen_socks5(
        self, host: str, port: int, username: str | None, password: str | None
    ) -> tuple[int, str, int]:
        """Listen for SOCKS5; the listener's number and the address it got."""

        def undo(listener: tuple[int, str, int]) -> None:
            self._post(lambda ticket: self._engine.close_listener(ticket, listener[0]))

        return await self._request(
            lambda ticket: self._engine.listen_socks5(ticket, host, port, username, password),
            undo=undo,
            context={"address": f"[{host}]:{port}" if ":" in host else f"{host}:{port}"},
        )

    async def close_listener(self, listener: int) -> None:
        """Stop accepting on a listener."""
        await self._request(lambda ticket: self._engine.close_listener(ticket, listener))

    async def open(
        self, host: str, port: int, accept: Callable[[OpenedStream], T], discard: Callable[[T], None]
    ) -> T:
        """Open a stream. `accept` runs before any later event is looked at, so that it misses no reset.

        `discard` gets what `accept` made when the caller was cancelled meanwhile.
        """

        def convert(value: tuple[int, int]) -> T:
            return accept(OpenedStream(value[1], socket.socket(fileno=value[0])))

        return await self._request(
            lambda ticket: self._engine.open(ticket, host, port),
            convert=convert,
            undo=discard,
            context={"host": host, "port": port},
        )

    def set_users(self, users: list[tuple[str, bytes]]) -> None:
        """Replace the user table. Commands are obeyed in order, so nobody needs to wait; a failure is logged."""
        self._post(lambda ticket: self._engine.set_users(ticket, users))

    async def set_psks(self, psks: list[bytes]) -> None:
        """Replace a server's secrets, the current one first. Links that use one that is gone end."""
        await self._request(lambda ticket: self._engine.set_psks(ticket, psks))

    async def set_limits(
        self,
        limits: dict[str, float],
        congestion: tuple[str, float | None],
        profile: dict[str, tuple[int, int]],
        kcp: Kcp,
    ) -> None:
        """Replace all limits, the controller of congestion, the profile and how KCP sends, for what begins from now on.

        ConfigError for a key or value that cannot be.
        """
        await self._request(lambda ticket: self._engine.set_limits(ticket, limits, congestion, profile, kcp))

    async def set_allow_private(self, allow: bool) -> None:
        """Let streams reach private addresses, or not, from now on."""
        await self._request(lambda ticket: self._engine.set_allow_private(ticket, allow))

    def set_log(self, levels: dict[str, str]) -> None:
        """Set the levels of the log, at once; "" is that of all areas that are not named."""
        self._check_usable()
        try:
            self._engine.set_log(levels)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        except RuntimeError as error:
            raise ClosedError(str(error) or "the engine is closed") from error

    def replace_users(self, users: list[tuple[str, bytes]]) -> Awaitable[None]:
        """Replace the user table, at once; wait for it to know that links of users who are gone have ended."""
        future = self._begin(lambda ticket: self._engine.set_users(ticket, users))
        future.add_done_callback(_log_failure)
        return future

    async def shutdown(self, drain_seconds: float) -> None:
        """End the engine; a second call with 0 ends the drain of the first. Never takes much longer than asked."""
        # A fork has none of the engine's threads: there is nothing to end, and the parent's loop to leave alone.
        if self._closed or os.getpid() != self._process:
            return
        self._check_loop()
        try:
            async with asyncio.timeout(drain_seconds + CLOSE_GRACE_SECONDS):
                await self._request(lambda ticket: self._engine.shutdown(ticket, drain_seconds))
        except asyncio.CancelledError:
            # Whoever gave up on a drain gets an end without one.
            with contextlib.suppress(GinnelError):
                self._post(lambda ticket: self._engine.shutdown(ticket, 0.0))
            self._release("it was closed", ClosedError)
            raise
        except TimeoutError:
            _log.warning("the engine did not end in %g s; leaving it behind", drain_seconds)
            self._stopped("the engine did not end in time")
        except GinnelError as error:
            # Already closed, by the other call or by itself: what we wanted.
            _log.debug("shutdown: %s", error)
        self._release("it was closed", ClosedError)

    async def _request(
        self,
        command: Callable[[int], None],
        *,
        convert: Callable[[Any], T] | None = None,
        undo: Callable[[T], None] | None = None,
        context: dict[str, object] | None = None,
    ) -> T:
        """Send a command and wait for its reply.

        `convert` turns the reply's value into the result, at once when it arrives. `undo` gets the result when
        the caller was cancelled and nobody will take it. `context` is added to the facts of an error.
        """
        self._check_usable()
        self._check_loop()
        future: asyncio.Future[T] = self._loop.create_future()
        self._send(command, _Waiting(future, convert, undo, context or {}))
        try:
            return await future
        except asyncio.CancelledError:
            # The reply may have come after all, between its arrival and our turn.
            if undo is not None and not future.cancelled() and future.exception() is None:
                undo(future.result())
            raise

    def _post(self, command: Callable[[int], None]) -> None:
        """Send a command and wait for nothing; log its failure."""
        self._begin(command).add_done_callback(_log_failure)

    def _begin(self, command: Callable[[int], None]) -> asyncio.Future[Any]:
        """Send a command now; its reply comes into the future."""
        self._check_usable()
        self._check_loop()
        future: asyncio.Future[Any] = self._loop.create_future()
        self._send(command, _Waiting(future, None, None, {}))
        return future

    def _send(self, command: Callable[[int], None], waiting: "_Waiting[Any]") -> None:
        ticket = next(self._tickets)
        self._waiting[ticket] = waiting
        try:
            command(ticket)
        except OverflowError as error:
            del self._waiting[ticket]
            raise LimitReached(str(error) or "too many commands in flight") from error
        except ValueError as error:
            del self._waiting[ticket]
            raise ConfigError(str(error)) from error
        except RuntimeError as error:
            del self._waiting[ticket]
            raise ClosedError(str(error) or "the engine is closed") from error
        except BaseException:
            del self._waiting[ticket]
            raise

    def _check_usable(self) -> None:
        if os.getpid() != self._process:
            raise EngineError(
                f"this engine lives in process {self._process}, from which this one was forked",
                hint="Make a new Client or Server after the fork.",
                kind="forked",
            )
        if self._closed:
            raise ClosedError("it was closed")

    def _check_loop(self) -> None:
        """Refuse another loop or thread, whose caller would wait for a reply that never reaches it."""
        # Between two runs of the loop its thread may still post.
        running = asyncio._get_running_loop() or self._loop
        if running is not self._loop or threading.get_ident() != self._thread or self._loop.is_closed():
            raise EngineError(
                "this engine belongs to another event loop, the one on which it was started",
                hint="Make a Client or Server on each loop, or hand the call over: asyncio.run_coroutine_threadsafe.",
                kind="loop",
            )

    def _take_inbox(self) -> None:
        try:
            messages = self._engine.drain()
        except Exception as error:
            self._stopped(f"the engine stopped: {error}")
            return
        self._empty_wakes = 0 if messages else self._empty_wakes + 1
        if self._empty_wakes >= _MAX_EMPTY_WAKES:
            self._stopped("the engine stopped")
            return
        for ticket, ok, value in messages:
            if ticket == 0:
                self._take_event(cast("tuple[str, dict[str, object]]", value))
            else:
                self._take_reply(ticket, ok, value)

    def _take_event(self, event: tuple[str, dict[str, object]]) -> None:
        if event[0] == "log":
            _pass_on(event[1])
            return
        try:
            self._on_event(*event)
        except Exception as error:
            # One bad handler must not cost the messages behind this one.
            self._loop.call_exception_handler(
                {"message": f"handler of {event[0]} failed", "exception": error}
            )

    def _take_reply(self, ticket: int, ok: bool, value: Any) -> None:
        waiting = self._waiting.pop(ticket, None)
        if waiting is None:
            _log.error("a reply to the unknown ticket %d", ticket)
            return
        future = waiting.future
        try:
            if not ok:
                kind, message, facts = value
                raise from_engine(kind, message, {**waiting.context, **facts})
            result = waiting.convert(value) if waiting.convert is not None else value
            if not future.done():
                future.set_result(result)
            elif waiting.undo is not None:
                waiting.undo(result)  # the caller was cancelled while the reply was on its way
        except Exception as error:
            if not future.done():
                future.set_exception(error)

    def _stopped(self, reason: str) -> None:
        """The engine is gone without a goodbye."""
        if not self._closed:
            self._release(reason, EngineError)
            self._take_event(("stopped", {"reason": reason}))

    def _release(self, reason: str, kind: type[GinnelError]) -> None:
        """Leave the loop, and answer whoever still waits."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._descriptor)
        waiting, self._waiting = self._waiting, {}
        for entry in waiting.values():
            if not entry.future.done():
                entry.future.set_exception(kind(reason))


@dataclass(slots=True)
class _Waiting(Generic[T]):
    """A command whose reply is on its way."""

    future: asyncio.Future[T]
    convert: Callable[[Any], T] | None
    undo: Callable[[T], None] | None
    context: dict[str, object]


def _pass_on(record: dict[str, object]) -> None:
    """Hand a record of the engine's log to Python's: its area's logger, with everything else as `facts`."""
    level, area, message = (str(record.pop(name)) for name in ("level", "area", "message"))
    logger = logging.getLogger(f"ginnel.{area}")
    number = LOG_LEVELS.get(level, logging.ERROR)
    # `handle` and not `log`: the message is a text and no format, and the place that logs is in the engine.
    if logger.isEnabledFor(number):
        logger.handle(
            logger.makeRecord(logger.name, number, "engine", 0, message, (), None, extra={"facts": record})
        )


def _log_failure(future: asyncio.Future[Any]) -> None:
    if future.cancelled():
        return
    error = future.exception()
    if error is not None and not isinstance(error, ClosedError):
        _log.warning("%s", error)
