"""A client and a server in a network of the test's own, and what goes through the link between them.

Applications and targets are this process: its sockets live at the ends, wherever its threads are.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from .network import Network
from .program import LOOPBACK, Client, Server, ginnel
from .socks import Connection, Refused, connected
from .streams import Progress, Received, close, payload, read_to_end, send
from .targets import Script, Target, echo, serve, sink, source

PORT = 4433
"""Of the server: in a network of one's own all ports are free, and it is the same after a restart."""


class Tunnel:
    """A link that is up, over one carrier and one session."""

    def __init__(
        self,
        network: Network,
        carrier: str,
        session: str,
        directory: Path,
        *,
        ipv6: bool = False,
        more: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        client: Sequence[str] = (),
    ) -> None:
        self.network, self.carrier, self.session = network, carrier, session
        self._directory = directory
        self._listen = network.server.written(PORT, ipv6=ipv6)
        self._more, self._env = more, env
        self.server = self._start_server()
        try:
            self.client = self.start_client(*client)
            # Said beside the line that shows it ready, in no order: links are counted by it.
            self.client.process.wait_said("link up")
        except BaseException:
            self.server.process.kill()
            raise

    def _start_server(self) -> Server:
        return Server(
            self._directory / "state",
            carrier=self.carrier,
            session=self.session,
            listen=self._listen,
            namespace=self.network.server.space,
            more=self._more,
            env=self._env,
        )

    def start_client(self, *more: str) -> Client:
        """One more client of the server."""
        return Client(self.server.link, self._directory, namespace=self.network.client.space, more=more)

    def restart_server(self, number: signal.Signals) -> None:
        """End the server by a signal and start it again where it was."""
        self.server.process.send_signal(number)
        self.server.process.wait(10)
        self.server = self._start_server()

    def target(self, script: Script) -> contextlib.AbstractAsyncContextManager[Target]:
        """A target on the server's machine."""
        return serve(script, LOOPBACK, self.network.server.space)

    def stream(self, target: Target) -> contextlib.AbstractAsyncContextManager[Connection]:
        """A stream from an application on the client's machine."""
        made = self.network.client.space.tcp_socket()
        return connected(self.client.socks, target.address, namespace_socket=made)

    async def download(self, data: bytes, progress: Progress | None = None, *, pause: float = 0.0) -> None:
        """Fetch `data` from a target and check every byte."""
        async with self.target(source(data, pause)) as target, self.stream(target) as (reader, _):
            assert await read_to_end(reader, progress) == Received.whole(data)

    async def upload(self, data: bytes, progress: Progress | None = None) -> None:
        """Send `data` to a target, which checks every byte."""
        async with self.target(sink(progress)) as target, self.stream(target) as (_, writer):
            await send(writer, data)
            await close(writer)
            assert await target.outcome() == Received.whole(data)

    async def both_ways(self, size: int) -> None:
        """Down and up at the same time, different bytes."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.download(payload(size)))
            group.create_task(self.upload(payload(size, 1)))

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[Talk]:
        """A stream to an echo, for questions now and then."""
        async with self.target(echo) as target, self.stream(target) as connection:
            talk = Talk(connection)
            await talk.ask()
            yield talk

    async def flows_again(self) -> float:
        """Open streams and ask until an answer comes back; how many seconds that took."""
        began = time.monotonic()
        async with self.target(echo) as target:
            while True:
                with contextlib.suppress(Refused, OSError, asyncio.IncompleteReadError):
                    async with self.stream(target) as connection:
                        await Talk(connection).ask()
                        return time.monotonic() - began

    def dropped(self, end: str) -> Counter[str]:
        """What the `server` or the `client` says that it has dropped, by cause."""
        which = (
            ("--state", str(self._directory / "state"))
            if end == "server"
            else ("--pid", str(self.client.process.pid))
        )
        said = ginnel("stats", *which, "--json", home=self._directory)
        assert said.exit_code == 0, said.describe()
        return Counter(json.loads("\n".join(said.stdout))["drops"])

    @property
    def links(self) -> int:
        """How many links the client has had so far."""
        return len(re.findall(r"link up", self.client.process.stderr))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.client.__exit__(kind, error, trace)
        finally:
            self.server.__exit__(kind, error, trace)


class Talk:
    """Questions and answers on one stream."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._asked = 0

    async def ask(self, limit: float = 20.0) -> None:
        """Send something new and wait until it comes back."""
        reader, writer = self._connection
        question = payload(100, self._asked)
        self._asked += 1
        async with asyncio.timeout(limit):
            writer.write(question)
            assert await reader.readexactly(len(question)) == question


@contextmanager
def unbroken(tunnel: Tunnel) -> Iterator[None]:
    """What happens in the block must not end the link."""
    links = tunnel.links
    yield
    assert tunnel.links == links, "a link had to be made anew"
    assert "link lost" not in tunnel.client.process.stderr
