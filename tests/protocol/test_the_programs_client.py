"""The program's client talks to a server that was written from PROTOCOL.md."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.e2e.program import LOOPBACK, Client, beside_loop
from tests.e2e.socks import connected
from tests.e2e.streams import payload

from .envelope import LONGEST, SHORTEST_REQUEST
from .primitives import public_key
from .server import Accepted, Deployment, Server
from .session import ServerSession
from .sharelink import write

TARGET = ("192.0.2.7", 4711)
"""Nothing is there: the server below is the target as well."""
OPEN_REQUEST = b"\1\1\xc0\0\2\7" + TARGET[1].to_bytes(2, "big")
ONLY_A_SERVER_SENDS = {0x00, 0x02, 0x0D, 0x10}


def served(server: Server, request: bytes, answer: bytes) -> tuple[Accepted, ServerSession]:
    """One link, whose stream asks for TARGET and is answered."""
    accepted, session = server.accept(), ServerSession()
    while len(session.stream.data) < len(OPEN_REQUEST):
        server.receive(accepted, session)
    server.send(accepted, accepted.link.seal("session", session.write(b"\0")))
    while len(session.stream.data) < len(OPEN_REQUEST + request):
        server.receive(accepted, session)
    server.send(accepted, accepted.link.seal("session", session.write(answer, end=True)))
    return accepted, session


def closed(server: Server, accepted: Accepted, session: ServerSession) -> bytes:
    """Serve until the client closes the link; the code."""
    while True:
        message = server.receive(accepted, session)
        if message is not None and message.kind == "close":
            return message.body


async def test_it_gets_a_link_and_a_stream(tmp_path: Path) -> None:
    request, answer = payload(100, 1), payload(900, 2)
    keys = Deployment()
    with Server(keys, LOOPBACK) as server:
        link = write(LOOPBACK, server.port, public_key(keys.private), keys.psk, keys.user_private)
        serving = asyncio.create_task(asyncio.to_thread(served, server, request, answer))
        async with beside_loop(lambda: Client(link, tmp_path)) as client:
            async with connected(client.socks, TARGET) as (reader, writer):
                writer.write(request)
                assert await reader.readexactly(len(answer)) == answer
                assert await reader.read() == b""
            accepted, session = await serving
            closing = asyncio.create_task(asyncio.to_thread(closed, server, accepted, session))
        assert await closing == b"\0"
    hello = accepted.hello
    assert SHORTEST_REQUEST <= accepted.request_size <= LONGEST
    assert (hello.kind, hello.parameters) == (0, b"")
    assert hello.epoch > 0
    assert server.junk > 0, "a client sends junk before its first handshake"
    assert session.stream.data == OPEN_REQUEST + request
    assert len(session.first_id) >= 8
    assert session.parameters is not None
    assert session.parameters[0x0F] == b""
    assert not session.parameters.keys() & ONLY_A_SERVER_SENDS
