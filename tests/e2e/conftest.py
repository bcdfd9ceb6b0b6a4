"""Fixtures of the end-to-end tests: one server and one client per module, started as a person starts them."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from .process import RECENT
from .program import FIRST_CARRIER, FIRST_SESSION, Client, Server, carrier_or_skip

DESCRIPTORS = 16_384
"""Soft limit of open files for this run and the programs it starts: 1,000 connections are four descriptors each."""

TEST_LIMIT = 120
"""Seconds for a test that names no limit of its own: ends a hang, judges no speed."""

HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Raise the soft limit of descriptors, which the programs inherit; end in order when somebody ends the run."""
    # A run that is terminated stops its programs just as one that is interrupted: fixtures and exit handlers run.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test here a time limit."""
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_LIMIT))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show, below a failure, all that the programs said which ran meanwhile."""
    report = yield
    if report.failed and HERE in item.path.parents:
        began = time.monotonic() - (call.stop - call.start)
        for process in RECENT:
            if process.ended is None or process.ended >= began:
                report.sections.append((f"process {process.pid}", process.describe()))
    return report


@pytest.fixture(scope="module")
def session(request: pytest.FixtureRequest) -> str:
    """The session of `server` and `client`: the first, or each in turn by `over_sessions`."""
    return str(getattr(request, "param", FIRST_SESSION))


@pytest.fixture(scope="module")
def carrier(request: pytest.FixtureRequest) -> str:
    """The carrier of `server` and `client`: the first, or each in turn by `over_carriers`."""
    return carrier_or_skip(str(getattr(request, "param", FIRST_CARRIER)))


@pytest.fixture(scope="module")
def server(carrier: str, session: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on loopback that lets streams go to loopback targets."""
    with Server(tmp_path_factory.mktemp("server") / "state", carrier=carrier, session=session) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of `server`, over the carrier and the session that its share link asks for."""
    with Client(server.link, tmp_path_factory.mktemp("client")) as running:
        yield running
