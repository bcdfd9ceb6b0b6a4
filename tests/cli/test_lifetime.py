"""From start to signal."""

import asyncio
import os
import resource
import signal

import pytest

from ginnel.cli._lifetime import MOST_DESCRIPTORS, Ending, raise_descriptor_limit, run_until_signal
from ginnel.errors import EngineError
from tests.waiting import until


class Service:
    """Notes what is done to it; waits where it is told to."""

    def __init__(self) -> None:
        self.log: list[object] = []
        self.start_waits = False
        self.drained = asyncio.Event()

    async def start(self) -> None:
        self.log.append("start")
        if self.start_waits:
            try:
                await asyncio.Event().wait()
            finally:
                self.log.append("start cancelled")

    async def aclose(self, drain_seconds: float | None = None) -> None:
        self.log.append(drain_seconds)
        if drain_seconds:
            await self.drained.wait()
        self.drained.set()


async def run(service: Service, ending: Ending, *, ready_raises: Exception | None = None) -> None:
    async def ready() -> None:
        service.log.append("ready")
        if ready_raises:
            raise ready_raises

    await run_until_signal(
        service, ending, ready=ready, goodbye=lambda: service.log.append("goodbye"), drain_seconds=4.0
    )


async def until_logged(service: Service, word: object) -> None:
    await until(lambda: word in service.log)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_drains(number: signal.Signals) -> None:
    service, ending = Service(), Ending()
    service.drained.set()
    running = asyncio.create_task(run(service, ending))
    await until_logged(service, "ready")
    os.kill(os.getpid(), number)
    await running
    assert service.log == ["start", "ready", "goodbye", 4.0]


async def test_a_second_signal_hurries() -> None:
    service, ending = Service(), Ending()
    running = asyncio.create_task(run(service, ending))
    await until_logged(service, "ready")
    ending.signalled()
    await until_logged(service, 4.0)
    ending.signalled()
    await running
    assert service.log == ["start", "ready", "goodbye", 4.0, 0.0]


async def test_a_signal_during_the_start_ends_it_there() -> None:
    service, ending = Service(), Ending()
    service.start_waits = True
    service.drained.set()
    running = asyncio.create_task(run(service, ending))
    await until_logged(service, "start")
    ending.signalled()
    await running
    assert service.log == ["start", "start cancelled", 4.0]


async def test_an_error_closes_at_once_and_is_raised() -> None:
    service = Service()
    with pytest.raises(OSError, match="ready"):
        await run(service, Ending(), ready_raises=OSError("ready"))
    assert service.log == ["start", "ready", 0.0]


async def test_an_engine_that_stops_is_an_error() -> None:
    service, ending = Service(), Ending()
    running = asyncio.create_task(run(service, ending))
    await until_logged(service, "ready")
    ending.engine_stopped("crash")
    with pytest.raises(EngineError, match="crash"):
        await running
    assert service.log == ["start", "ready", 0.0]


async def test_afterwards_the_signals_are_as_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    service, ending = Service(), Ending()
    service.drained.set()
    ending.signalled()
    await run(service, ending)
    assert signal.getsignal(signal.SIGTERM) is before


async def test_signals_in_a_burst_reach_the_end_and_never_the_default() -> None:
    met: list[int] = []
    before = {
        number: signal.signal(number, lambda n, _: met.append(n))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        service, ending = Service(), Ending()
        running = asyncio.create_task(run(service, ending))
        await until_logged(service, "ready")
        while not running.done():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0)
        await running
        assert met == []
        assert service.log == ["start", "ready", "goodbye", 4.0, 0.0]
        os.kill(os.getpid(), signal.SIGTERM)
        assert met == [signal.SIGTERM]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_the_limit_of_open_files_is_raised_to_what_the_system_allows() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
        raise_descriptor_limit()
        raised, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert raised == (MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_hangup_drains_and_another_hurries_nothing() -> None:
    service, ending = Service(), Ending()
    running = asyncio.create_task(run(service, ending))
    await until_logged(service, "ready")
    os.kill(os.getpid(), signal.SIGHUP)
    await until_logged(service, 4.0)
    ending.hung_up()
    service.drained.set()
    await running
    assert service.log == ["start", "ready", "goodbye", 4.0]
