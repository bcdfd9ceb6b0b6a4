"""What a person decides about a server and a client."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from ginnel.config.address import Address, Endpoint
from ginnel.config.congestion import Sending
from ginnel.config.kcp import KcpConfig
from ginnel.config.kinds import Count
from ginnel.config.limits import Limits, Timeouts
from ginnel.config.logs import LogConfig
from ginnel.config.ports import MAX_PORTS, Ports
from ginnel.config.profile import DEFAULT_PRESET, Profile, ProfileConfig
from ginnel.config.sharelink import Session, ShareLink
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
    listen: Endpoint | None = None
    """UDP address and ports to listen on. None: all addresses, and ports drawn at the first start and kept.
    Port 0: any free port, not kept."""
    ports: Annotated[int, Field(ge=1, le=MAX_PORTS)] | None = None
    """How many ports in a row are drawn, where `listen` does not say which. None: one, or those that were kept."""
    advertise: tuple[str, Ports | None] | None = None
    """Host (and ports, when they differ) that go into share links. None: worked out."""
    allow_private: bool = False
    """Whether targets may be loopback, link-local, private or metadata addresses."""
    session: Session = "quic"
    """What share links ask for. Clients get whichever session they ask for."""
    carrier: Literal["udp"] = "udp"
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

    @model_validator(mode="after")
    def _check_ports(self) -> Self:
        if self.listen is not None and self.ports is not None:
            raise ConfigError(
                "both listen and ports are given",
                hint="listen says which ports, ports how many to draw: take one of them out.",
                setting="ports",
            )
        return self


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

    def own_profile(self) -> Profile:
        """How this client shapes what it sends: as its share link says, unless it is told otherwise here."""
        own, psk = self.link.profile, self.link.servers[0].psk
        if own is None or self.profile.wants_another(own):
            own = Profile.derive(psk, self.profile.preset or DEFAULT_PRESET)
        return self.profile.over(own)


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
