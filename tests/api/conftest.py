"""Fixtures for the library's tests."""

from collections.abc import AsyncIterator

import pytest

from ginnel.api.client import Client
from ginnel.api.events import Event
from ginnel.config.ports import Ports
from ginnel.config.secret import Secret
from ginnel.config.sharelink import ServerEntry, ShareLink
from tests.fake_engine import Engine


@pytest.fixture
def link() -> ShareLink:
    """A share link that no server made."""
    server = ServerEntry(
        host="192.0.2.1",
        ports=Ports.one(5),
        public_key=bytes(32),
        psk=Secret(bytes(32)),
        private_key=Secret(bytes(range(32))),
    )
    return ShareLink(servers=(server,))


@pytest.fixture
def events() -> list[Event]:
    """What the client told."""
    return []


@pytest.fixture
async def client(engines: list[Engine], link: ShareLink, events: list[Event]) -> AsyncIterator[Client]:
    """A client whose link is up, on `engines[0]`."""
    async with Client(link, on_event=events.append) as client:
        yield client
