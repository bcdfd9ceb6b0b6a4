"""ginnel: a SOCKS5 tunnel through obfuscated QUIC or KCP over UDP. Python decides, Rust moves every byte.

::

    async with ginnel.Server(listen="0.0.0.0:4433") as server:       # there
        print(server.share_link("laptop"))

    async with ginnel.Client("ginnel://…") as client:                # here
        reader, writer = await client.open_connection("example.org", 80)
        socks = await client.socks5("127.0.0.1:1080")

The path of a byte::

    application                                                                          target
        │                                                                                   ▲
     inbound ─open─► link: session ─► envelope ─► carrier ⇒ network ⇒ carrier ─► link: … ─► outbound
     (socks5)              (quic)     (seals)     (udp)

The words, which mean the same on every floor:

- **carrier**: moves sealed packets to and from the network; `udp` or `rawtcp`
- **envelope**: seals and opens packets: secrecy, integrity, replay protection, disguise
- **session**: makes reliable, ordered streams out of packets; `quic` or `kcp`
- **link**: one client's living association with one server
- **stream**: one two-way byte stream in a link
- **inbound**, **outbound**: where an application's traffic enters; where it leaves towards its **target**
- **profile**: how an end shapes what it sends, so that it cannot be told by its sizes and times
- **user**: an identity: a client's public key
- **share link**: `ginnel://…`, everything a client needs, in one line; a secret

Errors are a tree under `GinnelError`, drawn in `ginnel.errors`. Importing this package does nothing but define
names; what they stand for is loaded when first used.
"""

# What type checkers take for `typing.TYPE_CHECKING`. `typing` itself would be the most of this import's cost, and
# the program hides a share link in its arguments only after it.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from ginnel.api.client import Client as Client
    from ginnel.api.events import AddressChanged as AddressChanged
    from ginnel.api.events import EngineStopped as EngineStopped
    from ginnel.api.events import Event as Event
    from ginnel.api.events import EventsDropped as EventsDropped
    from ginnel.api.events import LinkLost as LinkLost
    from ginnel.api.events import LinkRetry as LinkRetry
    from ginnel.api.events import LinkUp as LinkUp
    from ginnel.api.listener import Listener as Listener
    from ginnel.api.server import Server as Server
    from ginnel.config.address import Address as Address
    from ginnel.config.kcp import KcpConfig as KcpConfig
    from ginnel.config.limits import Limits as Limits
    from ginnel.config.limits import Timeouts as Timeouts
    from ginnel.config.logs import LogConfig as LogConfig
    from ginnel.config.ports import Ports as Ports
    from ginnel.config.profile import Profile as Profile
    from ginnel.config.profile import ProfileConfig as ProfileConfig
    from ginnel.config.rawtcp import RawTcpConfig as RawTcpConfig
    from ginnel.config.sharelink import ShareLink as ShareLink
    from ginnel.config.values import ClientConfig as ClientConfig
    from ginnel.config.values import ServerConfig as ServerConfig
    from ginnel.errors import CaptureError as CaptureError
    from ginnel.errors import ClosedError as ClosedError
    from ginnel.errors import ConfigError as ConfigError
    from ginnel.errors import ControlError as ControlError
    from ginnel.errors import EngineError as EngineError
    from ginnel.errors import GinnelError as GinnelError
    from ginnel.errors import HostUnreachable as HostUnreachable
    from ginnel.errors import LimitReached as LimitReached
    from ginnel.errors import LinkDown as LinkDown
    from ginnel.errors import LinkError as LinkError
    from ginnel.errors import ListenError as ListenError
    from ginnel.errors import NameUnknown as NameUnknown
    from ginnel.errors import NetworkUnreachable as NetworkUnreachable
    from ginnel.errors import NoAnswer as NoAnswer
    from ginnel.errors import NotRunning as NotRunning
    from ginnel.errors import RightsError as RightsError
    from ginnel.errors import ShareLinkError as ShareLinkError
    from ginnel.errors import StateError as StateError
    from ginnel.errors import StateInUse as StateInUse
    from ginnel.errors import StreamReset as StreamReset
    from ginnel.errors import TargetError as TargetError
    from ginnel.errors import TargetNotAllowed as TargetNotAllowed
    from ginnel.errors import TargetRefused as TargetRefused
    from ginnel.errors import TargetTimedOut as TargetTimedOut

    __version__: str

__all__ = [
    "Address",
    "AddressChanged",
    "CaptureError",
    "Client",
    "ClientConfig",
    "ClosedError",
    "ConfigError",
    "ControlError",
    "EngineError",
    "EngineStopped",
    "Event",
    "EventsDropped",
    "GinnelError",
    "HostUnreachable",
    "KcpConfig",
    "LimitReached",
    "Limits",
    "LinkDown",
    "LinkError",
    "LinkLost",
    "LinkRetry",
    "LinkUp",
    "ListenError",
    "Listener",
    "LogConfig",
    "NameUnknown",
    "NetworkUnreachable",
    "NoAnswer",
    "NotRunning",
    "Ports",
    "Profile",
    "ProfileConfig",
    "RawTcpConfig",
    "RightsError",
    "Server",
    "ServerConfig",
    "ShareLink",
    "ShareLinkError",
    "StateError",
    "StateInUse",
    "StreamReset",
    "TargetError",
    "TargetNotAllowed",
    "TargetRefused",
    "TargetTimedOut",
    "Timeouts",
    "__version__",
]

# Where a name lives; what is not here lives in `errors`.
_HOMES = {
    "Address": "config.address",
    "AddressChanged": "api.events",
    "Client": "api.client",
    "ClientConfig": "config.values",
    "EngineStopped": "api.events",
    "Event": "api.events",
    "EventsDropped": "api.events",
    "KcpConfig": "config.kcp",
    "Limits": "config.limits",
    "LinkLost": "api.events",
    "LinkRetry": "api.events",
    "LinkUp": "api.events",
    "Listener": "api.listener",
    "LogConfig": "config.logs",
    "Ports": "config.ports",
    "Profile": "config.profile",
    "ProfileConfig": "config.profile",
    "RawTcpConfig": "config.rawtcp",
    "Server": "api.server",
    "ServerConfig": "config.values",
    "ShareLink": "config.sharelink",
    "Timeouts": "config.limits",
}


def __getattr__(name: str) -> object:
    """Load a public name at its first use, and keep it."""
    if name not in __all__:
        raise AttributeError(f"module 'ginnel' has no attribute {name!r}")
    value: object
    if name == "__version__":
        value = _version()
    else:
        from importlib import import_module

        value = getattr(import_module(f"ginnel.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def _version() -> str:
    """The installed version; from a tree that was never installed, the engine's."""
    from importlib import import_module
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("ginnel")
    except PackageNotFoundError:
        native = import_module("ginnel._native")
        try:
            return str(native.engine_version())
        except import_module("ginnel.errors").EngineError:
            return "0+unknown"


def __dir__() -> list[str]:
    return __all__
