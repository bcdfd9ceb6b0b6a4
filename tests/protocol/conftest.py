"""A server as a person starts it, for the tests that talk to the program."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.program import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on loopback that lets streams go to loopback targets."""
    with Server(tmp_path_factory.mktemp("server") / "state") as running:
        yield running
