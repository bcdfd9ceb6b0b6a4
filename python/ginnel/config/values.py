"""What a person decides about a server and a client."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from ginnel.config.address import Address, Advertised, Endpoint
from ginnel.config.carrier import Carrier
from ginnel.config.congestion import Sending
from ginnel.config.kcp import KcpConfig
from ginnel.config.kinds import Count
from ginnel.config.limits import Limits, Timeouts
from ginnel.config.logs import LogConfig
from ginnel.config.places import carriers_of
from ginnel.config.ports import MAX_PORTS
from ginnel.config.profile import DEFAULT_PRESET, Profile, ProfileConfig
from ginnel.config.rawtcp import LISTEN_INSTEAD, RawTcpConfig
from ginnel.config.sharelink import ServerEntry, Session, ShareLink
from ginnel.config.value import Value
from ginnel.errors import ConfigError

WILDCARD = "0.0.0.0"  # noqa: S104 - a server serves all its addresses unless told otherwise
MAX_DRAIN_SECONDS = 3600.0
"""Longest time that a shutdown may wait for streams."""
MIN_CONNECT_SECONDS = 0.001
MAX_CONNECT_SECONDS = 600.0
MAX_CREDENTIAL_BYTES = 255
"""Longest user name and password of SOCKS5 (RFC 1929, section 2)."""
MAX_LISTENERS = 64
"""Listeners of one client."""
MAX_LINKS = 16
"""Links of one client."""

LINKS = Count(1, MAX_LINKS, " The default is 1.")
Drain = Annotated[float, Field(ge=0, le=MAX_DRAIN_SECONDS)]


class ServerConfig(Sending):
    """A server's settings."""

    state: Path
    """Directory that keeps keys, users and the port."""
    listen: tuple[Endpoint, ...] | None = None
    """Where to listen, one place for each carrier. None: UDP on all addresses, and ports drawn at the first start and
    kept. Port 0: any free port, not kept."""
    ports: Annotated[int, Field(ge=1, le=MAX_PORTS)] | None = None
    """How many UDP ports in a row are drawn, where `listen` does not say which. None: one, or those that were kept."""
    advertise: tuple[Advertised, ...] | None = None
    """Host (and ports, when they differ) that go into share links. None: worked out."""
    rawtcp: RawTcpConfig = RawTcpConfig()
    """The way of raw TCP, where it is not to be found out."""
    allow_private: bool = False
    """Whether targets may be loopback, link-local, private or metadata addresses."""
    session: Session = "quic"
    """What share links ask for. Clients get whichever session they ask for."""
    drain_seconds: Drain = 4.0
    """How long a shutdown waits for streams."""
    kcp: KcpConfig = KcpConfig()
    """How links of the session `kcp` send."""
    profile: ProfileConfig = ProfileConfig()
    """How it shapes what it sends, where that differs from the deployment's profile, which the state keeps."""
    log: LogConfig = LogConfig()
    key_log: Path | None = None
    """File for the keys of links, for `ginnel dump`. None: they are written nowhere."""
    timeouts: Annotated[Timeouts, AfterValidator(lambda table: table.filled("server"))] = Field(
        default=Timeouts(), validate_default=True
    )
    limits: Annotated[Limits, AfterValidator(lambda table: table.filled("server"))] = Field(
        default=Limits(), validate_default=True
    )

    def engine_limits(self) -> dict[str, float]:
        """Times and limits as the engine takes them: key, and seconds, bytes or count."""
        return self.timeouts.engine("server") | self.limits.engine("server")

    def carriers(self) -> tuple[Carrier, ...]:
        """The carriers that it listens with: UDP where nothing else is said, and where `ports` asks for it."""
        return carriers_listened(self.listen, self.ports)

    @model_validator(mode="after")
    def _check_places(self) -> Self:
        listen = self.listen or ()
        if self.listen == () or len(carriers_of(listen)) != len(listen):
            raise ConfigError(
                "listen has none or several places for a carrier",
                hint="One for each, or None for UDP on a port that is drawn.",
                setting="listen",
            )
        for setting, what, hint in clashes(self.listen, self.ports, self.advertise):
            raise ConfigError(what, hint=hint, setting=setting)
        if self.rawtcp.source is not None:
            raise ConfigError(
                "rawtcp.source belongs to a client, and this is a server",
                hint=LISTEN_INSTEAD,
                setting="rawtcp.source",
            )
        return self


def carriers_listened(listen: tuple[Endpoint, ...] | None, ports: int | None) -> tuple[Carrier, ...]:
    """The carriers of a server that is told to listen there, and to draw so many UDP ports."""
    given = carriers_of(listen or ())
    draws = listen is None or (ports is not None and "udp" not in given)
    return ("udp", *given) if draws else given


def clashes(
    listen: tuple[Endpoint, ...] | None, ports: int | None, advertise: tuple[Advertised, ...] | None
) -> Iterator[tuple[str, str, str]]:
    """What does not fit together of where a server listens: setting, what is wrong, what would be right."""
    if ports is not None and "udp" in carriers_of(listen or ()):
        right = "listen says which ports, ports how many to draw: take one of them out."
        yield "ports", "both listen and ports are given", right
    carriers = carriers_listened(listen, ports)
    for place in advertise or ():
        if place.carrier is not None and place.carrier not in carriers:
            what = f"advertise names {place}, and the server does not listen with {place.carrier}"
            yield "advertise", what, f"It listens with {' and '.join(carriers)}: see listen."


class Socks5Config(Value):
    """A listener for SOCKS5."""

    address: Address
    """Where it listens; port 0 takes a free one."""
    username: str | None = None
    password: SecretStr | None = None
    """With a user name and a password, applications must show them (RFC 1929)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ConfigError("socks5 takes a username and a password together, or neither", setting="socks5")
        for setting, value in (("username", self.username), ("password", self.reveal_password())):
            check_credential(value, setting)
        return self

    def reveal_password(self) -> str | None:
        """Return the password. Whoever calls this answers for where it goes."""
        return None if self.password is None else self.password.get_secret_value()

    def __str__(self) -> str:
        return f"{self.address}" + (" with a password" if self.username is not None else "")


class ClientConfig(Sending):
    """A client's settings."""

    link: ShareLink
    connect_timeout_seconds: Annotated[float, Field(gt=0, le=MAX_CONNECT_SECONDS)] = 10.0
    """How long the first set-up of the link may take."""
    keep_trying: bool = False
    """Whether a start succeeds without an answer of the server, which is then tried again for ever."""
    socks5: Annotated[tuple[Socks5Config, ...], Field(max_length=MAX_LISTENERS)] = ()
    """Where the program listens; a user of the library calls `Client.socks5`."""
    drain_seconds: Drain = 4.0
    """How long a shutdown waits for streams."""
    session: Session | None = None
    """What the links carry. None: what the share link asks for."""
    carrier: Carrier | None = None
    """How the links travel. None: as the share link says, server by server."""
    rawtcp: RawTcpConfig = RawTcpConfig()
    """The way of raw TCP, where it is not to be found out."""
    kcp: KcpConfig = KcpConfig()
    """How links of the session `kcp` send."""
    links: Annotated[int, BeforeValidator(lambda value: LINKS.read(value, "links"))] = 1
    """How many links there are to the server at the same time; a new stream goes on the one with the fewest."""
    profile: ProfileConfig = ProfileConfig()
    """How it shapes what it sends, where that differs from the profile of its share link."""
    log: LogConfig = LogConfig()
    key_log: Path | None = None
    """File for the keys of links, for `ginnel dump`. None: they are written nowhere."""
    timeouts: Annotated[Timeouts, AfterValidator(lambda table: table.filled("client"))] = Field(
        default=Timeouts(), validate_default=True
    )
    limits: Annotated[Limits, AfterValidator(lambda table: table.filled("client"))] = Field(
        default=Limits(), validate_default=True
    )

    def engine_limits(self) -> dict[str, float]:
        """Times and limits as the engine takes them: key, and seconds, bytes or count."""
        return self.timeouts.engine("client") | self.limits.engine("client")

    def own_session(self) -> Session:
        """What the links carry: as the share link asks, unless it is told otherwise here."""
        return self.session or self.link.session

    def own_servers(self) -> tuple[ServerEntry, ...]:
        """The servers to try: those of the share link with the carrier that is wanted.

        Where it has none with that, all of them are tried at the same hosts and ports with it.
        """
        carrier, servers = self.carrier, self.link.servers
        if carrier is None:
            return servers
        chosen = tuple(server for server in servers if server.carrier == carrier)
        return chosen or tuple(server.model_copy(update={"carrier": carrier}) for server in servers)

    def own_profile(self) -> Profile:
        """How this client shapes what it sends: as its share link says, unless it is told otherwise here."""
        own, psk = self.link.profile, self.link.servers[0].psk
        if own is None or self.profile.wants_another(own):
            own = Profile.derive(psk, self.profile.preset or DEFAULT_PRESET)
        return self.profile.over(own.completed(psk))


Config = ServerConfig | ClientConfig


def check_credential(value: str | None, setting: str) -> None:
    """Refuse a user name or password that SOCKS5 cannot carry; the value is not repeated."""
    if value is None:
        return
    try:
        length = len(value.encode())
    except UnicodeEncodeError:  # a lone surrogate, from an environment that is not UTF-8
        length = 0
    if not 1 <= length <= MAX_CREDENTIAL_BYTES:
        raise ConfigError(
            f"{setting}: 1 to {MAX_CREDENTIAL_BYTES} bytes are possible (RFC 1929)", setting=setting
        )
