"""From start to signal: what `server` and `client` have in common."""

import asyncio
import contextlib
import resource
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Protocol

from ginnel.errors import EngineError, GinnelError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
MOST_DESCRIPTORS = 1 << 20
"""More are never asked for, where the system knows no limit."""

OnHangup = Callable[[], None]
"""Called on the event loop when SIGHUP arrives."""


class Service(Protocol):
    """A `ginnel.Server` or `ginnel.Client`."""

    async def start(self) -> None:
        """Start."""

    async def aclose(self, drain_seconds: float | None = None) -> None:
        """Close, with so much time for streams."""


class Ending:
    """Why and when to end: a first signal (or a failure) asks for it, a second one hurries it."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._hurried = asyncio.Event()
        self._failure: GinnelError | None = None

    def signalled(self) -> None:
        """A signal arrived."""
        (self._hurried if self._asked.is_set() else self._asked).set()

    def hung_up(self) -> None:
        """SIGHUP arrived: end. It hurries nothing: a terminal that closes sends it more than once."""
        self._asked.set()

    def engine_stopped(self, reason: str) -> None:
        """The engine is gone: end, and fail."""
        self._failure = EngineError(reason)
        self._asked.set()

    async def before(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work unless the end is asked for first, which cancels it; whether it was done."""
        return await _unless(self._asked, work)

    async def wait(self) -> None:
        """Wait until the end is asked for; raises what the engine failed with."""
        await self._asked.wait()
        if self._failure is not None:
            raise self._failure

    async def close(self, service: Service, drain_seconds: float | None) -> None:
        """Close the service, at once when hurried."""
        closing = asyncio.create_task(service.aclose(drain_seconds))
        hurried = asyncio.create_task(self._hurried.wait())
        await asyncio.wait({closing, hurried}, return_when=asyncio.FIRST_COMPLETED)
        if not closing.done():
            await service.aclose(0.0)
        hurried.cancel()
        await closing


@contextlib.contextmanager
def signals(ending: Ending, on_hangup: OnHangup | None = None) -> Iterator[None]:
    """Send SIGINT and SIGTERM to `ending`, SIGHUP to `on_hangup` (None: it ends as well).

    The handlers that were there before are put back.

    Not with the loop's own `add_signal_handler`: its removal brings the default back, for a moment in which a signal
    would end the process with the wrong exit code.
    """
    loop = asyncio.get_running_loop()
    woken, wake = socket.socketpair()

    def take() -> None:
        for number in woken.recv(64):
            if number in _SIGNALS:
                ending.signalled()
            elif number == signal.SIGHUP:
                (on_hangup or ending.hung_up)()

    with woken, wake:
        woken.setblocking(False)
        wake.setblocking(False)
        loop.add_reader(woken, take)
        # The interpreter writes each signal's number there, in whichever moment it comes.
        wakeup_before = signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        # Without a use for it, SIGHUP ends the service, unless it was begun with `nohup`.
        is_left_alone = on_hangup is None and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        taken = _SIGNALS if is_left_alone else (*_SIGNALS, signal.SIGHUP)
        before = {number: signal.signal(number, lambda *_: None) for number in taken}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakeup_before)
            loop.remove_reader(woken)


async def run_until_signal(
    service: Service,
    ending: Ending,
    *,
    ready: Callable[[], Coroutine[Any, Any, None]],
    goodbye: Callable[[], None],
    drain_seconds: float | None = None,
    on_hangup: OnHangup | None = None,
) -> None:
    """Start, call `ready`, wait for a signal, call `goodbye`, close, with `drain_seconds` for streams (None: as set).

    A signal during the start ends it there. Errors of `start` and `ready` are raised after closing.
    """
    raise_descriptor_limit()
    with signals(ending, on_hangup):
        try:
            if await ending.before(service.start()) and await ending.before(ready()):
                await ending.wait()
                goodbye()
        except BaseException:
            await ending.close(service, 0.0)
            raise
        await ending.close(service, drain_seconds)


def raise_descriptor_limit() -> None:
    """Allow this process as many open files as the system lets it have.

    The usual soft limit of 1,024 is for programs that use `select`; a stream is a descriptor at each end. The engine
    looks at the limit when it starts, and serves no more streams than it has descriptors for.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # it works with fewer, for fewer streams
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _unless(event: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    working = asyncio.create_task(work)
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not working.done():
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        return False
    await working
    return True
