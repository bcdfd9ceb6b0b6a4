"""A client: one link to a server, and the ways into it."""

import asyncio
import logging
import os
import ssl as _ssl
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from ginnel._native import Native
from ginnel._setup import ClientSetup
from ginnel.api.controlled import common_handlers
from ginnel.api.events import Event, EventHandler, LinkUp, pass_on, read_event
from ginnel.api.listener import Listener
from ginnel.api.reload import apply_to_client
from ginnel.api.stats import Stats
from ginnel.api.streams import Stream, Streams, StreamWriter
from ginnel.config import clock
from ginnel.config.address import normal_host, parse_listen
from ginnel.config.carrier import Carrier
from ginnel.config.congestion import Congestion
from ginnel.config.difference import ReloadReport
from ginnel.config.kcp import KcpConfig
from ginnel.config.limits import Limits, Timeouts
from ginnel.config.logs import LogConfig
from ginnel.config.places import carriers_of
from ginnel.config.profile import Preset, ProfileConfig
from ginnel.config.rawtcp import RawTcpConfig
from ginnel.config.sharelink import Session, ShareLink
from ginnel.config.values import ClientConfig, check_credential
from ginnel.control.paths import client_socket, make_directory
from ginnel.control.server import ControlServer
from ginnel.errors import ClosedError, ConfigError, GinnelError, NoAnswer, no_answer_hint

STREAM_LIMIT_BYTES = 64 * 1024
"""Default bound of a reader's buffer, as in asyncio."""
PING_TIMEOUT_SECONDS = 5.0

_link_log = logging.getLogger("ginnel.link")
_control_log = logging.getLogger("ginnel.control")


class Client:
    """A link to a server.

    ::

        async with ginnel.Client("ginnel://…") as client:
            reader, writer = await client.open_connection("example.org", 80)

    `link` is a share link, as text or parsed. With `keep_trying` it starts although the server does not answer, and
    tries again for ever. `congestion` decides how fast the link sends, what is uploaded: "adaptive", "cubic", or
    "fixed" with its `rate_bits_per_second`, for a line that is known. `session` is what the link carries, "quic" or
    "kcp", where that is to be otherwise than the share link says; `kcp` says how the latter sends. `carrier` is how
    links travel, "udp" or "rawtcp": of the share link's servers those with it are tried, or all at the same ports if it
    has none; `rawtcp` decides what raw TCP finds out otherwise. `links` is how many
    links there are to the server at the same time, up to 16: streams go on the one with the fewest. `profile` decides
    how what it sends is shaped, where that is to be otherwise than the share link says: "light", "balanced", or a
    `ProfileConfig`. `limits`, `timeouts`
    and `log` are the rest of what can be set; the log comes by `logging`, as `ginnel.AREA`. `key_log` is a file for the
    keys of links, which `ginnel dump` reads: whoever has it and a capture can read everything. `on_event` is called on
    the event loop with each `Event`. `control` opens a socket for `ginnel stats`, one a process. Raises ConfigError
    (ShareLinkError) for what cannot be used; nothing else happens before `start`.
    """

    def __init__(
        self,
        link: str | ShareLink,
        *,
        connect_timeout_seconds: float = 10.0,
        keep_trying: bool = False,
        drain_seconds: float = 4.0,
        congestion: Congestion = "adaptive",
        rate_bits_per_second: int | None = None,
        session: Session | None = None,
        carrier: Carrier | None = None,
        rawtcp: RawTcpConfig | None = None,
        kcp: KcpConfig | None = None,
        links: int = 1,
        profile: Preset | ProfileConfig | None = None,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        log: LogConfig | None = None,
        key_log: str | os.PathLike[str] | None = None,
        on_event: EventHandler | None = None,
        control: bool = False,
    ) -> None:
        config = ClientConfig.build(
            link=link if isinstance(link, ShareLink) else ShareLink.parse(link),
            connect_timeout_seconds=float(connect_timeout_seconds),
            keep_trying=keep_trying,
            drain_seconds=float(drain_seconds),
            congestion=congestion,
            rate_bits_per_second=rate_bits_per_second,
            session=session,
            carrier=carrier,
            rawtcp=rawtcp or RawTcpConfig(),
            kcp=kcp or KcpConfig(),
            links=links,
            profile=ProfileConfig.of(profile),
            limits=limits or Limits(),
            timeouts=timeouts or Timeouts(),
            log=log or LogConfig(),
            key_log=None if key_log is None else Path(key_log),
        )
        self._prepare(config, on_event, control)

    @classmethod
    def from_config(
        cls, config: ClientConfig, *, on_event: EventHandler | None = None, control: bool = False
    ) -> Self:
        """Make a client from a whole configuration. Its listeners are the caller's to open."""
        client = cls.__new__(cls)
        client._prepare(config, on_event, control)
        return client

    def _prepare(self, config: ClientConfig, on_event: EventHandler | None, control: bool) -> None:
        self.config = config
        """What it was told; after `reload`, what holds."""
        self._on_event = on_event
        self._streams = Streams()
        self._native: Native | None = None
        self.handlers = common_handlers("client", None, self.stats)
        """What the control socket answers, by the question's word."""
        self._started = False
        self._control = ControlServer(client_socket(os.getpid()), self.handlers) if control else None
        self.link: LinkUp | None = None
        """How the link came up first; None before that."""

    async def start(self) -> None:
        """Set up the link. `async with` does it.

        Raises NoAnswer when no server answers in time, unless it is to keep trying: then it returns without waiting.
        A link that is lost later comes back by itself.
        """
        if self._started:
            raise ClosedError("a client starts once; make a new one")
        self._started = True
        wrong = clock.complaint()
        if wrong:
            _link_log.warning("%s", wrong)
        native = Native.client(
            ClientSetup(
                servers=[
                    (
                        server.carrier,
                        server.host,
                        list(server.ports.ranges),
                        server.public_key,
                        server.psk.reveal(),
                        server.private_key.reveal(),
                    )
                    for server in self.config.own_servers()
                ],
                rawtcp=self.config.rawtcp.engine(),
                limits=self.config.engine_limits(),
                congestion=self.config.engine_congestion(),
                profile=self.config.own_profile().pairs(),
                session=self.config.own_session(),
                kcp=self.config.kcp.engine(),
                links=self.config.links,
                log=self.config.log.engine_levels(),
                key_log=None if self.config.key_log is None else str(self.config.key_log),
            ),
            self._take_event,
        )
        try:
            await self._listen()
            if self.config.keep_trying:
                self._native = native
                return
            facts = await native.connect(self.config.connect_timeout_seconds)
            event = read_event("link_up", facts)
            self.link = event if isinstance(event, LinkUp) else None
        except BaseException as error:
            if isinstance(error, NoAnswer):
                hint = no_answer_hint(carriers_of(self.config.own_servers()))
                error.hint = "\n".join(filter(None, (hint, clock.hint())))
            await self._end_control()
            await native.shutdown(0.0)
            raise
        self._native = native

    async def aclose(self, drain_seconds: float | None = None) -> None:
        """Close: let the streams finish for so long (None: as configured), then end what is left.

        May be called again while it runs: `aclose(0)` ends the drain.
        """
        if self._native is not None:
            try:
                await self._native.shutdown(
                    self.config.drain_seconds if drain_seconds is None else drain_seconds
                )
            finally:
                await self._end_control()

    async def reload(self, config: ClientConfig) -> ReloadReport:
        """Make a new configuration hold, as far as that is possible while it runs. What did not change is not touched.

        Listeners are left to whoever opened them. Raises ConfigError when the engine refuses it; then nothing has
        changed.
        """
        report, self.config = await apply_to_client(self._running(), self.config, config)
        return report

    async def open_connection(
        self,
        host: str,
        port: int,
        *,
        limit: int = STREAM_LIMIT_BYTES,
        ssl: _ssl.SSLContext | bool | None = None,
        server_hostname: str | None = None,
    ) -> tuple[asyncio.StreamReader, StreamWriter]:
        """Connect to a target through the link, like `asyncio.open_connection`.

        The server resolves the name. `writer.write_eof()` ends one direction and leaves the other open; when the
        far side resets the stream, reading and draining raise StreamReset (a ConnectionResetError). With `ssl`,
        TLS is spoken with the target itself.

        Raises TargetError by kind, LinkDown, LimitReached, ClosedError, ConfigError for a host that is none.
        """
        host = normal_host(host)
        if type(port) is not int:
            raise ConfigError(f"port is of type {type(port).__name__}, not int", setting="port")
        if not 1 <= port <= 65535:
            raise ConfigError(f"port = {port} is not between 1 and 65535", setting="port")
        stream = await self._running().open(host, port, self._streams.accept, Stream.discard)
        return await stream.open((host, port), limit, ssl, server_hostname)

    async def socks5(
        self, address: str = "127.0.0.1:0", *, username: str | None = None, password: str | None = None
    ) -> Listener:
        """Listen for SOCKS5 on a TCP address, `[ADDR:]PORT`; port 0 takes a free one, see `Listener.address`.

        With a username and a password, applications must show them (RFC 1929).
        Raises ListenError when the address cannot be bound.
        """
        if (username is None) != (password is None):
            raise ConfigError("socks5 takes a username and a password together, or neither")
        for setting, value in (("username", username), ("password", password)):
            check_credential(value, setting)
        wanted = parse_listen(address, default_host="127.0.0.1", setting="socks5")
        native = self._running()
        number, host, port = await native.listen_socks5(wanted.host, wanted.port, username, password)
        return Listener(native, number, wanted._replace(host=host, port=port))

    async def ping(self, timeout_seconds: float = PING_TIMEOUT_SECONDS) -> float:
        """Measure one round trip to the server on the live link, in seconds.

        Raises NoAnswer or LinkDown.
        """
        return await self._running().probe(timeout_seconds)

    def stats(self) -> Stats:
        """Return what was counted and measured so far."""
        native = self._running()
        return cast(Stats, {**native.stats(), "links": native.links()})

    def set_log(self, log: LogConfig) -> None:
        """Set the levels of the engine's log, at once. Its records come by `logging`, as `ginnel.AREA`."""
        self._running().set_log(log.engine_levels())
        self.config = self.config.model_copy(update={"log": log})

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        servers = ", ".join(str(server.endpoint) for server in self.config.own_servers())
        return f"<ginnel.Client of {servers}>"

    def _running(self) -> Native:
        if self._native is None:
            raise ClosedError("the client has not started: use `async with`, or `await client.start()`")
        return self._native

    async def _listen(self) -> None:
        """Open the control socket. A client that can have none serves all the same."""
        if self._control is None:
            return
        try:
            make_directory(self._control.path.parent)
            await self._control.start()
        except (OSError, GinnelError) as error:
            _control_log.warning("no control socket at %s: %s", self._control.path, error)
            self._control = None

    async def _end_control(self) -> None:
        if self._control is not None:
            await self._control.aclose()

    def _take_event(self, name: str, facts: dict[str, Any]) -> None:
        if name == "stream_reset":
            self._streams.reset(facts["stream"])
            return
        if name == "stopped":
            self._streams.reset_all()
        pass_on(name, facts, self._handle)

    def _handle(self, event: Event) -> None:
        if self._on_event is not None:
            self._on_event(event)
        if self.link is None and isinstance(event, LinkUp) and self.config.keep_trying:
            self.link = event
