"""A server: keys and users in a state directory, and the engine that serves them."""

import asyncio
import errno
import logging
import os
import random
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, cast

from ginnel import _native
from ginnel._native import Native
from ginnel._setup import ServerSetup
from ginnel.api.controlled import common_handlers
from ginnel.api.events import Event, EventHandler, LinkLost, LinkUp, pass_on
from ginnel.api.links import parse_advertise, share_link
from ginnel.api.reach import Reachable, find_reachable
from ginnel.api.reload import apply_to_server
from ginnel.api.served import ServedUsers
from ginnel.api.stats import Stats
from ginnel.config.address import Address, Endpoint
from ginnel.config.congestion import Congestion
from ginnel.config.difference import ReloadReport
from ginnel.config.kcp import KcpConfig
from ginnel.config.limits import Limits, Timeouts
from ginnel.config.logs import LogConfig
from ginnel.config.places import Listen
from ginnel.config.ports import ANY_PORT, Ports
from ginnel.config.profile import DEFAULT_PRESET, Preset, Profile, ProfileConfig
from ginnel.config.rawtcp import RawTcpConfig
from ginnel.config.secret import Secret
from ginnel.config.sharelink import Session
from ginnel.config.state import ServerState, StateDirectory, state_directory
from ginnel.config.values import WILDCARD, ServerConfig
from ginnel.control.messages import Question
from ginnel.control.server import ControlServer
from ginnel.errors import ClosedError, ListenError
from ginnel.policy.users import FIRST_USER

DRAWN_PORTS = range(10_000, 60_000)
"""Ports are drawn from here: above those that need rights, and with no default that a filter could look for."""
_DRAWS = 32
"""So many drawn ports may be taken before we give up."""

_control_log = logging.getLogger("ginnel.control")


class Server:
    """A ginnel server.

    ::

        async with ginnel.Server(listen="0.0.0.0:4433") as server:
            print(server.share_link("laptop"))

    `listen` is `[ADDR:]PORTS`, such as `4433` or `4433,5000-5100`, for UDP, `rawtcp://[ADDR:]PORTS` for raw TCP, or a
    list of both; without it a UDP port is drawn at the first start and kept, or `ports` of them in a row. `state` is
    the directory of keys and users, made when it does not exist. `advertise` is `HOST[:PORTS]` for share links, with a
    scheme as well where it is for one carrier alone, or a list; worked out when left out. `rawtcp` decides what raw TCP
    finds out otherwise, but for the source, which `listen` says. `allow_private` lets clients reach loopback
    and private addresses. `session` is what share links ask for, "quic" or "kcp": it serves both, and `kcp` says how
    the latter sends. `congestion` decides how fast links send, what clients download: "adaptive", "cubic", or "fixed"
    with its `rate_bits_per_second`, for a line that is known. `profile` decides how what it sends is shaped: a preset,
    "light" or "balanced" (drawn at the first start and kept), or a `ProfileConfig`. `limits`, `timeouts` and `log` are
    the rest of what can be set; the log comes by `logging`, as `ginnel.AREA`. `key_log` is a file for the keys of
    links, which `ginnel dump` reads: whoever has it and a capture can read everything. `on_event` is called on the
    event loop with each `Event`. Raises ConfigError for what cannot be used; nothing else happens before `start`.
    """

    def __init__(
        self,
        *,
        listen: str | Sequence[str] | None = None,
        ports: int | None = None,
        state: str | os.PathLike[str] | None = None,
        advertise: str | Sequence[str] | None = None,
        rawtcp: RawTcpConfig | None = None,
        allow_private: bool = False,
        session: Session = "quic",
        drain_seconds: float = 4.0,
        congestion: Congestion = "adaptive",
        rate_bits_per_second: int | None = None,
        kcp: KcpConfig | None = None,
        profile: Preset | ProfileConfig | None = None,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        log: LogConfig | None = None,
        key_log: str | os.PathLike[str] | None = None,
        on_event: EventHandler | None = None,
    ) -> None:
        config = ServerConfig.build(
            state=state_directory(state),
            listen=None
            if listen is None
            else Listen(WILDCARD).read(list(listen) if isinstance(listen, tuple) else listen, "listen"),
            ports=ports,
            advertise=parse_advertise(advertise) or None,
            rawtcp=rawtcp or RawTcpConfig(),
            allow_private=allow_private,
            session=session,
            drain_seconds=float(drain_seconds),
            congestion=congestion,
            rate_bits_per_second=rate_bits_per_second,
            kcp=kcp or KcpConfig(),
            profile=ProfileConfig.of(profile),
            limits=limits or Limits(),
            timeouts=timeouts or Timeouts(),
            log=log or LogConfig(),
            key_log=None if key_log is None else Path(key_log),
        )
        self._prepare(config, on_event)

    @classmethod
    def from_config(cls, config: ServerConfig, *, on_event: EventHandler | None = None) -> Self:
        """Make a server from a whole configuration."""
        server = cls.__new__(cls)
        server._prepare(config, on_event)
        return server

    def _prepare(self, config: ServerConfig, on_event: EventHandler | None) -> None:
        self.config = config
        """What it was told; after `reload`, what holds."""
        self._on_event = on_event
        self._directory = StateDirectory(self.config.state)
        self._state: ServerState | None = None
        self._native: Native | None = None
        self._reachable: tuple[Reachable, ...] = ()
        self._served: ServedUsers | None = None
        self._control: ControlServer | None = None
        self._finishing: asyncio.Task[None] | None = None
        self._started = False
        self._listening: tuple[Endpoint, ...] = ()
        self.handlers = common_handlers("server", str(self.config.state), self.stats)
        """What the control socket answers, by the question's word."""
        self.handlers |= {"users": self._tell_users, "users_changed": self._users_changed}
        self.handlers |= {"secret_changed": self._secret_changed}
        self.new_keys = False
        """Whether this start made the keys."""
        self.port_origin: Literal["given", "drawn", "kept", "resized", "any"] = "any"
        """Where the UDP ports came from: all but `any` are kept for the next start. `resized`: more or fewer than they
        were, from the same first one on."""

    async def start(self) -> None:
        """Claim the state, make what is missing in it, bind, serve. `async with` does it.

        Raises StateError (StateInUse) and ListenError.
        """
        if self._started:
            raise ClosedError("a server starts once; make a new one")
        self._started = True
        self._directory.acquire()
        try:
            before = self._directory.read()
            self.new_keys = before is None
            state = self._with_profile(before or _new_state(self.config.profile.preset))
            self._served = self._open_users(state)
            self._native = self._bind(state, self._served.compiled())
            self._served.attach(self._native)
            self._reachable = find_reachable(self.config.advertise, self.listening)
            # The keys reach the disk before any link with them is shown.
            self._remember(state)
            await self._listen()
        except BaseException:
            await self.aclose(0.0)
            raise

    async def aclose(self, drain_seconds: float | None = None) -> None:
        """Close: let the streams finish for so long (None: as configured), then end what is left.

        May be called again while it runs: `aclose(0)` ends the drain.
        """
        try:
            if self._native is not None:
                if self._served is not None:
                    self._served.drain()
                await self._native.shutdown(
                    self.config.drain_seconds if drain_seconds is None else drain_seconds
                )
        finally:
            # Once, whoever closes; a call that is cancelled leaves it to end by itself.
            if self._finishing is None:
                self._finishing = asyncio.create_task(self._finish())
            await asyncio.shield(self._finishing)

    async def reload(self, config: ServerConfig) -> ReloadReport:
        """Make a new configuration hold, as far as that is possible while it runs. What did not change is not touched.

        Raises ConfigError when the engine refuses it; then nothing has changed.
        """
        native = self._running()
        if self._state is None:
            raise ClosedError("the server is still starting")
        before, after = self._state, self._with_profile(self._state, config.profile)
        profiles = self.config.profile.over(before.profile), config.profile.over(after.profile)
        report, self.config = await apply_to_server(native, self.config, config, profiles)
        after = after.replaced(session=config.session)
        if after != before:
            self._directory.update(
                lambda now: (now or after).replaced(profile=after.profile, session=after.session)
            )
            # Not what was written: its secret may be one that this engine has not been told of.
            self._state = after
        return report

    @property
    def listening(self) -> tuple[Endpoint, ...]:
        """Where it listens: host, ports and carrier, one for each carrier."""
        self._running()
        return self._listening

    @property
    def address(self) -> Address:
        """The address it listens on: a tuple of host and port; of several carriers and ports, the first."""
        return self.listening[0].address

    @property
    def ports(self) -> Ports:
        """All ports that it listens on; of several carriers, of the first."""
        return self.listening[0].ports

    @property
    def reachable(self) -> tuple[Reachable, ...]:
        """What share links name, and where it comes from, one for each carrier."""
        self._running()
        if not self._reachable:
            raise ClosedError("the server is still starting")
        return self._reachable

    def share_link(self, user: str = FIRST_USER) -> str:
        """Return the share link of a user: a secret. A user that does not exist is made, and may connect at once.

        Raises ConfigError for a name that no user can have, LimitReached, StateError.
        """
        served = self._serving()
        if self._state is None:
            raise ClosedError("the server is still starting")
        return share_link(self._state, served.ensure(user), self._endpoints()).to_text()

    def users(self) -> tuple[str, ...]:
        """Return the names of the users."""
        return self._serving().names

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
        where = (self.config.listen or ()) if self._native is None else self._listening
        return f"<ginnel.Server on {' and '.join(map(str, where)) or 'a port to be drawn'}>"

    def _endpoints(self) -> list[Endpoint]:
        """What share links name."""
        return [one.endpoint for one in self.reachable]

    def _running(self) -> Native:
        if self._native is None:
            raise ClosedError("the server has not started: use `async with`, or `await server.start()`")
        return self._native

    def _serving(self) -> ServedUsers:
        self._running()
        if self._served is None:
            raise ClosedError("the server is still starting")
        return self._served

    def _open_users(self, state: ServerState) -> ServedUsers:
        """Open the users; before the keys are written, so that these never stand there without users."""
        roster = self._directory.roster(create=self.new_keys)
        try:
            if self.new_keys:
                roster.ensure_first(FIRST_USER)
            return ServedUsers(
                roster, lambda patience: self._directory.roster(patience=patience), state.private_key
            )
        except BaseException:
            roster.close()
            raise

    def _with_profile(self, state: ServerState, wanted: ProfileConfig | None = None) -> ServerState:
        """The state, with a profile that is drawn anew where another preset is wanted."""
        wanted = wanted or self.config.profile
        if wanted.preset is None or not wanted.wants_another(state.profile):
            return state
        return state.replaced(profile=Profile.fresh(wanted.preset))

    def _bind(self, state: ServerState, users: list[tuple[str, bytes]]) -> Native:
        """Start the engine; UDP on the ports that were given, kept or drawn, in this order."""
        given = self.config.listen or ()
        udp = next((place for place in given if place.carrier == "udp"), None)
        if "udp" not in self.config.carriers() or udp is not None:
            self.port_origin = "any" if udp is None or udp.ports == ANY_PORT else "given"
            return self._start_engine(state, users, given)
        if state.ports is not None:
            ports = self._resized(state.ports)
            self.port_origin = "kept" if ports == state.ports else "resized"
            try:
                return self._start_engine(state, users, (Endpoint(WILDCARD, ports), *given))
            except ListenError as error:
                if error.carrier == "udp":
                    error.hint = (
                        "It was kept because share links name it. Free it, or take others and make new links:\n"
                        "  ginnel server --listen PORTS"
                    )
                raise
        self.port_origin = "drawn"
        for _ in range(_DRAWS - 1):
            try:
                return self._start_engine(state, users, (Endpoint(WILDCARD, self._draw()), *given))
            except ListenError as error:
                if error.errno != errno.EADDRINUSE or error.carrier != "udp":
                    raise
        return self._start_engine(state, users, (Endpoint(WILDCARD, self._draw()), *given))

    def _draw(self) -> Ports:
        """Draw ports: in a row, so that whoever must open them in a firewall needs one rule."""
        count = self.config.ports or 1
        first = random.SystemRandom().choice(DRAWN_PORTS[: len(DRAWN_PORTS) - count + 1])
        return Ports.run(first, count)

    def _resized(self, kept: Ports) -> Ports:
        """The kept ports, or as many as are wanted now from the same first one on: links so far name that."""
        count = self.config.ports
        return kept if count is None or count == kept.count else Ports.run(kept.first, count)

    def _start_engine(
        self, state: ServerState, users: list[tuple[str, bytes]], listen: Sequence[Endpoint]
    ) -> Native:
        setup = ServerSetup(
            listen=[(place.carrier, place.host, list(place.ports.ranges)) for place in listen],
            rawtcp=self.config.rawtcp.engine(),
            psk=state.psk.reveal(),
            previous_psk=None if state.previous_psk is None else state.previous_psk.reveal(),
            private_key=state.private_key.reveal(),
            users=users,
            allow_private=self.config.allow_private,
            replay_file=str(self._directory.replay_file),
            limits=self.config.engine_limits(),
            congestion=self.config.engine_congestion(),
            profile=self.config.profile.over(state.profile).pairs(),
            session=self.config.session,
            kcp=self.config.kcp.engine(),
            log=self.config.log.engine_levels(),
            key_log=None if self.config.key_log is None else str(self.config.key_log),
        )
        native = Native.server(setup, self._take_event)
        # What the system chose is known now.
        self._listening = tuple(
            Endpoint(host, Ports.one(port) if place.ports == ANY_PORT else place.ports, place.carrier)
            for place, (_, host, port) in zip(listen, native.local_addresses, strict=True)
        )
        return native

    def _remember(self, state: ServerState) -> None:
        """Write the state as this start found and changed it."""
        changes: dict[str, Any] = {
            "reachable": tuple(map(str, self._endpoints())),
            "profile": state.profile,
            "session": self.config.session,
        }
        if self.port_origin != "any":
            changes["ports"] = next(place.ports for place in self._listening if place.carrier == "udp")
        self._state = self._directory.update(lambda now: (now or state).replaced(**changes))

    async def _listen(self) -> None:
        """Open the control socket. A file system that has none is no reason not to serve."""
        control = ControlServer(self._directory.control_socket, self.handlers)
        try:
            await control.start()
            self._control = control
        except OSError as error:
            _control_log.warning("no control socket at %s: %s", control.path, error.strerror or error)

    async def _finish(self) -> None:
        """Let go of all but the engine, which has ended."""
        try:
            if self._control is not None:
                await self._control.aclose()
            if self._served is not None:
                await self._served.aclose()
        finally:
            self._directory.release()

    async def _users_changed(self, _: Question) -> object:
        return await self._serving().reread()

    async def _secret_changed(self, _: Question) -> object:
        """Take the secrets that the state holds now; links made with one that is gone end."""
        state = await asyncio.to_thread(self._directory.read)
        if state is None:
            raise ClosedError("the state has gone")
        await self._running().set_psks([secret.reveal() for secret in state.secrets])
        self._state = state
        return True

    async def _tell_users(self, _: Question) -> object:
        return await self._serving().written()

    def _take_event(self, name: str, facts: dict[str, Any]) -> None:
        pass_on(name, facts, self._handle)

    def _handle(self, event: Event) -> None:
        match event:
            case LinkUp(user=str(user)) if self._served is not None:
                self._served.link_up(user)
            case LinkLost(user=str(user)) if self._served is not None:
                self._served.link_down(user)
        if self._on_event is not None:
            self._on_event(event)


def _new_state(preset: Preset | None) -> ServerState:
    return ServerState(
        psk=Secret.generate(),
        private_key=Secret(_native.generate_private_key()),
        profile=Profile.fresh(preset or DEFAULT_PRESET),
    )
