"""Every setting of a configuration file: its key, kind, default, effect and meaning. The one table of them.

What a file may say, its errors, the example, the schema, the environment's variables and the documentation all come
from here; the keys of the tables `timeouts` and `limits` come from their classes in `limits`.
"""

from collections.abc import Mapping
from typing import Any

from ginnel.config.address import Address
from ginnel.config.bounds import ROLES, Role
from ginnel.config.carrier import CARRIERS
from ginnel.config.congestion import CONTROLLERS, RATE
from ginnel.config.kcp import DEFAULT_WINDOW, LANES, MODE, WINDOW, KcpConfig
from ginnel.config.kinds import Choice, Count, Duration, FilePath, Flag, Kind
from ginnel.config.limits import tables
from ginnel.config.listeners import DEFAULT_HOST, Listeners
from ginnel.config.logs import AREAS, FORMATS, LEVELS, LogConfig
from ginnel.config.places import Advertise, Listen
from ginnel.config.ports import MAX_PORTS
from ginnel.config.profile import FIELDS, PRESETS
from ginnel.config.rawtcp import GATEWAY, INTERFACE, SOURCE
from ginnel.config.setting import Effect, Link, Setting
from ginnel.config.sharelink import SESSIONS
from ginnel.config.units import spell_duration
from ginnel.config.values import (
    LINKS,
    MAX_CONNECT_SECONDS,
    MAX_DRAIN_SECONDS,
    MIN_CONNECT_SECONDS,
    WILDCARD,
    ClientConfig,
    Config,
    ServerConfig,
    Socks5Config,
)


class _PortCount(Count):
    """How many ports."""

    example = "20"


_NEW: Effect = "for new links and streams"
_START: Effect = "at the next start"
_NOW: Effect = "at once"
_HELD_BY_ALL = ("memory", "packet_queue", "packet_retries", "streams")
"""Bounds that whatever runs shares: a change is felt at once."""


def _default(config: type[Config], name: str) -> Any:
    return config.model_fields[name].default


def _time(low: float, high: float, default: float) -> Kind:
    """A time whose errors say its default."""
    return Duration(low, high, f" The default is {spell_duration(default)}.")


_SESSION = Choice(SESSIONS, '"kcp"')
_WHAT_SESSION = """
What makes streams out of packets. quic, if in doubt. kcp is for paths that lose packets: a loss holds up only the
streams of one of a link's lanes, see [kcp].""".strip()


def _server() -> list[Setting]:
    return [
        Setting(
            key="listen",
            name="listen",
            kind=Listen(WILDCARD),
            does="Where to listen: [ADDR:]PORTS for UDP, such as 4433 or 4433,5000-5100, and rawtcp://[ADDR:]PORTS\n"
            'for raw TCP; for both a list, such as ["udp://0.0.0.0:4433", "rawtcp://0.0.0.0:443"].\n'
            "Clients hop between the ports of a carrier. Port 0 takes any free one, which is not kept.",
            without="UDP on all addresses, and ports drawn at the first start and kept.",
            effect=_START,
        ),
        Setting(
            key="ports",
            name="ports",
            kind=_PortCount(1, MAX_PORTS),
            does="How many UDP ports to draw, in a row, so that a firewall opens them with one rule. Not where\n"
            "`listen` names UDP ports itself; beside one that names raw TCP alone it adds UDP.",
            without="those of the last start; at the first, one.",
            effect=_START,
        ),
        Setting(
            key="state",
            name="state",
            kind=FilePath('"/var/lib/ginnel"'),
            does="Directory that keeps keys, users, ports and profile. A relative one counts from this file.",
            without="/var/lib/ginnel for root, else $XDG_STATE_HOME/ginnel, else ~/.local/state/ginnel.",
            effect=_START,
        ),
        Setting(
            key="advertise",
            name="advertise",
            kind=Advertise(),
            does="Host, and ports when they differ, that share links name: HOST or HOST:PORTS. The host is that of\n"
            "every carrier, the ports are those of UDP, or of the only carrier. rawtcp://HOST:PORTS or udp://HOST:PORTS\n"
            'is for one carrier; several stand in a list: ["vpn.example.net", "rawtcp://vpn.example.net:8443"].',
            without="worked out: the address it listens on, or that of the default route.",
            effect=_START,
        ),
        Setting(
            key="allow_private",
            name="allow_private",
            kind=Flag(),
            does="Whether clients may reach loopback, link-local, private and metadata addresses.",
            default=_default(ServerConfig, "allow_private"),
            effect=_NOW,
        ),
        Setting(
            key="session",
            name="session",
            kind=_SESSION,
            does=f"{_WHAT_SESSION}\nShare links ask for it, those too that are printed while the server does not run."
            " The server itself\nserves both: links made so far still work, and a client may choose otherwise.",
            default=_default(ServerConfig, "session"),
            effect=_NOW,
        ),
    ]


def _client() -> list[Setting]:
    return [
        Setting(
            key="link_file",
            kind=FilePath(),
            does="File that holds the share link. A relative one counts from this file.",
            without="the share link stands in `link` or in $GINNEL_LINK.",
            effect=_START,
            active=True,
        ),
        Setting(
            key="link",
            name="link",
            kind=Link(),
            does="The share link itself, a secret: then nobody else may read this file (chmod 600).",
            without="it stands in `link_file` or in $GINNEL_LINK.",
            effect=_START,
            secret=True,
        ),
        Setting(
            key="socks5",
            name="socks5",
            kind=Listeners(),
            does="Where to listen for SOCKS5: an address, or a list of addresses and of tables with a password:\n"
            '{ listen = "127.0.0.1:9050", username = "me", password_file = "password" }',
            default=(Socks5Config(address=Address(DEFAULT_HOST, 1080)),),
            effect=_NOW,
        ),
        Setting(
            key="connect_timeout",
            name="connect_timeout_seconds",
            kind=_time(
                MIN_CONNECT_SECONDS, MAX_CONNECT_SECONDS, _default(ClientConfig, "connect_timeout_seconds")
            ),
            does="How long the first set-up of the link may take, where keep_trying is false.",
            default=_default(ClientConfig, "connect_timeout_seconds"),
            effect=_START,
        ),
        Setting(
            key="keep_trying",
            name="keep_trying",
            kind=Flag(),
            does="Whether it starts although the server does not answer, and tries for ever; `ginnel client` does not.",
            default=True,
            effect=_START,
        ),
        Setting(
            key="session",
            name="session",
            kind=_SESSION,
            does=_WHAT_SESSION,
            without="what the share link asks for.",
            effect=_START,
        ),
        Setting(
            key="carrier",
            name="carrier",
            kind=Choice(CARRIERS, '"rawtcp"'),
            does="How the links travel: udp, or rawtcp where UDP is throttled or blocked. Of the share link's servers\n"
            "those with this carrier are tried; if it has none, all of them, at the same ports.",
            without="as the share link says.",
            effect=_START,
        ),
        Setting(
            key="links",
            name="links",
            kind=LINKS,
            does="Links to the server at the same time. A new stream goes on the link with the fewest streams,\n"
            "and one that is lost is replaced without touching the others.",
            default=_default(ClientConfig, "links"),
            effect=_START,
        ),
    ]


_CONGESTION = """
What decides how fast a link sends. Each end decides about what it sends itself: a server's setting about
downloads, a client's about uploads.
adaptive (leave it, if in doubt) measures what the path carries and sends that much; packets that are lost at
random do not slow it down, and its queue stays short.
cubic slows down at every loss, as ordinary TCP does: slow on paths that lose packets.
fixed sends at `rate`, whatever happens: only for a line that you know, for it floods one that is slower."""
_RATE = """
The bit rate that shall arrive on each link when congestion is "fixed", without the headers of IP and UDP:
about 92 % of what the line is sold as, divided by the clients that use it at once. Where packets are lost it
sends up to 25 % more to make up for them, also where the loss is its own doing because it was told too much."""


_KCP_MODE = """
How links of the session kcp send. auto (leave it, if in doubt) is paced by `congestion` and follows the path. The
fixed modes are those of KCP: normal, fast, fast2 and fast3 send again sooner and sooner, with a window of their own
and whatever that does to the path; `congestion` and `rate` do not count in them."""


_PRESET = """
How what this end sends is shaped, so that it cannot be told by its sizes and times: balanced hides more than
light, and costs a little more. Also written profile = "light" above all tables. A profile is drawn for each
deployment, and share links carry it; what is set here holds for what this end sends: the other need not know."""
_WITHOUT_PRESET: Mapping[Role, str] = {
    "server": "balanced at the first start, then as it was.",
    "client": "as the share link says, else balanced.",
}


def _profile(role: Role) -> list[Setting]:
    settings = [
        Setting(
            key="profile.preset",
            name="profile.preset",
            kind=Choice(PRESETS, '"balanced"'),
            does=_PRESET.strip(),
            without=_WITHOUT_PRESET[role],
            effect=_NEW,
        )
    ]
    settings += (
        Setting(
            key=f"profile.{name}",
            name=f"profile.{name}",
            kind=kind,
            does=does,
            without="as it was drawn.",
            effect=_NEW,
        )
        for name, (kind, does, _) in FIELDS.items()
    )
    return settings


def _kcp() -> list[Setting]:
    return [
        Setting(
            key="kcp.mode",
            name="kcp.mode",
            kind=MODE,
            does=_KCP_MODE.strip(),
            default=KcpConfig().mode,
            effect=_NEW,
        ),
        Setting(
            key="kcp.lanes",
            name="kcp.lanes",
            kind=LANES.noted(f" The default is {KcpConfig().lanes}."),
            does="Lanes of a link, each in order for itself: what is lost holds up the streams of one lane.\n"
            "The smaller number of the two ends counts.",
            default=KcpConfig().lanes,
            effect=_NEW,
        ),
        Setting(
            key="kcp.window",
            name="kcp.window",
            kind=WINDOW,
            does="Segments that may be in flight on a lane in a fixed mode, in both directions.\n"
            f"{DEFAULT_WINDOW:,} if it is not said. Not beside auto, which follows the path.",
            without=f"{DEFAULT_WINDOW:,} in the fixed modes, none in auto.",
            effect=_NEW,
        ),
    ]


def _rawtcp(role: Role) -> list[Setting]:
    source = Setting(
        key="rawtcp.source",
        name="rawtcp.source",
        kind=SOURCE,
        does="IP address that raw TCP sends from. A server's stands in `listen`.",
        without="that of the route.",
        effect=_START,
    )
    return [
        Setting(
            key="rawtcp.interface",
            name="rawtcp.interface",
            kind=INTERFACE,
            does="Interface that raw TCP uses, be it a VPN's, which a client refuses otherwise. A server takes in\n"
            "only what comes by it.",
            without="every interface." if role == "server" else "that of the route; see `ginnel interfaces`.",
            effect=_START,
        ),
        *([source] if role == "client" else []),
        Setting(
            key="rawtcp.gateway",
            name="rawtcp.gateway",
            kind=GATEWAY,
            does="Hardware address that raw TCP sends to; a server sends all its answers there.",
            without="where authentic segments came from."
            if role == "server"
            else "that of the next machine on the route.",
            effect=_START,
        ),
    ]


def _common(role: Role) -> list[Setting]:
    settings = [
        Setting(
            key="congestion",
            name="congestion",
            kind=Choice(CONTROLLERS, '"adaptive"'),
            does=_CONGESTION.strip(),
            default=_default(ServerConfig, "congestion"),
            effect=_NEW,
        ),
        Setting(
            key="rate",
            name="rate_bits_per_second",
            kind=RATE,
            does=_RATE.strip(),
            without="fixed is refused; the others take none.",
            effect=_NEW,
        ),
        Setting(
            key="drain",
            name="drain_seconds",
            kind=_time(0.0, MAX_DRAIN_SECONDS, _default(ServerConfig, "drain_seconds")),
            does="How long streams may finish at the end.",
            default=_default(ServerConfig, "drain_seconds"),
            effect=_NOW,
        ),
        Setting(
            key="key_log",
            name="key_log",
            kind=FilePath('"keys.log"'),
            does="File for the keys of links, for `ginnel dump`: whoever has it and a capture can read everything.",
            without="keys are written nowhere, and nobody can read a capture later.",
            effect=_START,
        ),
        Setting(
            key="log.level",
            name="log.level",
            kind=Choice(LEVELS, '"info"'),
            does="What is worth a line, in every area that has no level of its own.",
            default=LogConfig().level,
            effect=_NOW,
        ),
        Setting(
            key="log.format",
            name="log.format",
            kind=Choice(FORMATS, '"json"'),
            does="How a line is written.",
            default=LogConfig().format,
            effect=_START,
        ),
    ]
    settings += (
        Setting(
            key=f"log.areas.{area}",
            name=f"log.areas.{area}",
            kind=Choice(LEVELS, '"debug"'),
            does=f"{what[0].upper()}{what[1:]}.",
            without="as log.level.",
            effect=_NOW,
        )
        for area, what in AREAS.items()
    )
    settings += _kcp()
    settings += _rawtcp(role)
    settings += _profile(role)
    for table in tables():
        for key, field_name in table.keys(role).items():
            bound = table.bounds()[field_name]
            settings.append(
                Setting(
                    key=f"{table.name}.{key}",
                    name=f"{table.name}.{field_name}",
                    kind=bound.for_role(role),
                    does=bound.does,
                    default=bound.default(role),
                    effect=_NOW if key in _HELD_BY_ALL else _NEW,
                )
            )
    return settings


SETTINGS: Mapping[Role, Mapping[str, Setting]] = {
    role: {
        setting.key: setting for setting in [*(_server() if role == "server" else _client()), *_common(role)]
    }
    for role in ROLES
}
"""The settings of each role by their keys, in the order in which files have them."""

SHORT: Mapping[str, str] = {"profile": "profile.preset"}
"""Tables of which one value may stand for the whole, and the key of that value."""

TABLES: tuple[str, ...] = (
    "log",
    "log.areas",
    "kcp",
    "rawtcp",
    "profile",
    *(table.name for table in tables()),
)
"""The tables of a file."""


def owner_of(key: str) -> Role | None:
    """The role that alone has a setting of this key."""
    owners = [role for role in ROLES if key in SETTINGS[role]]
    return owners[0] if len(owners) == 1 else None
