"""Every way ginnel can fail, as a tree that can be caught by kind.

::

    GinnelError
    ├── ConfigError (ValueError)              a setting, an argument or a file says something unusable
    │   └── ShareLinkError                    a share link that is damaged, cut off or too new
    ├── StateError                            the state directory cannot be used as it is
    │   └── StateInUse                        another server holds it
    ├── CaptureError                          a capture file that is damaged, cut off or no capture at all
    ├── LinkError (ConnectionError)           the association with the server
    │   ├── NoAnswer (TimeoutError)           it never came up
    │   └── LinkDown                          it was up and is not now
    ├── TargetError (OSError)                 the server answered; the target could not be reached from there
    │   ├── TargetRefused (ConnectionRefusedError)
    │   ├── HostUnreachable                   errno EHOSTUNREACH
    │   ├── NameUnknown (socket.gaierror)
    │   ├── TargetTimedOut (TimeoutError)
    │   ├── NetworkUnreachable                errno ENETUNREACH
    │   └── TargetNotAllowed (PermissionError)
    ├── StreamReset (ConnectionResetError)    a stream was cut, not ended
    ├── ListenError (OSError)                 an address that cannot be bound; errno says why
    ├── RightsError (PermissionError)         the system does not let this process do what the carrier needs
    ├── LimitReached                          a bound of the program or of the user; trying later may work
    ├── ControlError                          a running server or client could not be asked, or says no
    │   └── NotRunning                        there is none
    ├── ClosedError                           used before its start or after its end
    └── EngineError                           the engine failed, is missing, or belongs to another process

Where a class of the standard library is what people already catch, the error is one of those too: code
written for ``asyncio.open_connection`` handles ``TargetRefused`` unchanged.

Each error carries its facts as attributes (``error.peer``, ``error.seconds``, …; ``None`` when unknown), a
one-line message (``str(error)``) and a ``hint``: what to do next, possibly empty, possibly several lines. No
message, hint or fact ever contains a key or a share link.
"""

import errno as _errno
import os
import re
import sys
from collections.abc import Collection, Mapping
from socket import EAI_NONAME, gaierror
from typing import NamedTuple

# A share link, also one whose slashes a path has joined and whose pieces a line break tore apart; `ginnel://…` is none.
_LINK = re.compile(r"ginnel:/*\w[^\s'\"]*(?:\s+[\w-]{16,})*", re.IGNORECASE)
_CREDENTIALS = re.compile(r"[^\s'\"@/]+:[^\s'\"@]*@")


def without_secrets(text: str) -> str:
    """Mask what looks like a share link, or like a user name and password before an @.

    The last guard of every error; whoever repeats a value leaves them out already, see `config.mistakes`.
    """
    return _CREDENTIALS.sub("(secret)@", _LINK.sub("(secret)", text)) if ":" in text else text


class GinnelError(Exception):
    """The base of all of them.

    ``facts`` given to the constructor must be declared by the class; they become attributes.
    """

    def __init__(self, message: str, *, hint: str = "", **facts: object) -> None:
        message = without_secrets(message)
        super().__init__(message)
        self.message = message
        self.hint = without_secrets(hint)
        for name, value in facts.items():
            if not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no fact named {name!r}")
            setattr(self, name, without_secrets(value) if isinstance(value, str) else value)

    def __str__(self) -> str:
        # OSError would put "[Errno 111]" in front.
        return self.message


class ConfigError(GinnelError, ValueError):
    """A setting, an argument or a file says something that cannot be used."""

    setting: str | None = None
    """Name of the setting, as it is written."""


class ShareLinkError(ConfigError):
    """A share link that cannot be read. Never contains any part of the link but single characters."""

    position: int | None = None
    """1-based character at or near which the damage is, counted with ``ginnel://``."""
    length: int | None = None
    """Characters that the link has, white space left out."""
    expected_length: int | None = None
    """Characters that it should have, where its beginning is intact enough to say so."""


class StateError(GinnelError):
    """The state directory, or the file in it, cannot be used as it is."""

    path: str | None = None


class StateInUse(StateError):
    """Another server runs with this state directory."""

    process: int | None = None
    """Its process id."""


class CaptureError(GinnelError):
    """A capture file that cannot be read, or cannot be read further."""

    path: str | None = None
    packet: int | None = None
    """The packet that cannot be read; 1 is the first."""
    offset: int | None = None
    """Byte of the file at which it goes wrong; 0 is the first."""


class LinkError(GinnelError, ConnectionError):
    """The link to the server is not there."""

    peer: str | None = None
    """The server's address, ``host:port``."""


class NoAnswer(LinkError, TimeoutError):
    """No server answered in time: down, unreachable, or it does not know our keys."""

    seconds: float | None = None
    """How long we waited."""


class LinkDown(LinkError):
    """The link was lost; it is being set up again."""


class TargetError(GinnelError, OSError):
    """The server could not connect to the target."""

    host: str | None = None
    port: int | None = None


class TargetRefused(TargetError, ConnectionRefusedError):
    """The target answered that nothing listens there."""


class HostUnreachable(TargetError):
    """No way to the target's host."""


class NameUnknown(TargetError, gaierror):
    """The server's resolver does not know the name."""


class TargetTimedOut(TargetError, TimeoutError):
    """The target did not answer the server in time."""


class NetworkUnreachable(TargetError):
    """The server has no route to the target's network."""


class TargetNotAllowed(TargetError, PermissionError):
    """The server does not connect to such a target."""


class StreamReset(GinnelError, ConnectionResetError):
    """The far side cut the stream; what was on its way may be lost."""


class ListenError(GinnelError, OSError):
    """An address that could not be bound."""

    address: str | None = None
    carrier: str | None = None
    """Whose address it is: "udp" or "rawtcp"; None where it is a listener's."""


class RightsError(GinnelError, PermissionError):
    """A right is missing that raw TCP needs."""


class LimitReached(GinnelError):
    """A bound was reached; nothing is broken, and trying later may work."""


class ControlError(GinnelError):
    """A running server or client could not be asked on its control socket, or answered why not."""


class NotRunning(ControlError):
    """Nobody listens on the control socket."""


class ClosedError(GinnelError):
    """A client, server or listener was used before its start or after its end."""


class EngineError(GinnelError):
    """The engine failed, is missing, or belongs to the process that this one was forked from."""

    kind: str | None = None
    """The engine's own word for it."""


def no_answer_hint(carriers: Collection[str] = ("udp",)) -> str:
    """What it can be when no server answers with these carriers."""
    ways = " and ".join("raw TCP" if carrier == "rawtcp" else "UDP" for carrier in carriers)
    blocked = f"{ways} {'is' if len(carriers) == 1 else 'are'} blocked on the way"
    return (
        f"The server is down, the address or port is wrong, {blocked}, or the keys do not match:\n"
        "a ginnel server answers nobody whose keys it does not know, so these look the same from here."
    )


NO_ANSWER_HINT = no_answer_hint()
_NOT_ALLOWED_HINT = "A server connects to public addresses only, unless it was started with --allow-private."


class _Kind(NamedTuple):
    error: type[GinnelError]
    template: str = ""  # used when all its facts are known, else the engine's own message
    hint: str = ""
    errno: int | None = None


_KINDS: Mapping[str, _Kind] = {
    "no_answer": _Kind(NoAnswer, "no answer from {peer} in {seconds:g} s", NO_ANSWER_HINT, _errno.ETIMEDOUT),
    "link_down": _Kind(LinkDown),
    "target_refused": _Kind(TargetRefused, "{host}:{port} refused the connection", errno=_errno.ECONNREFUSED),
    "host_unreachable": _Kind(
        HostUnreachable, "{host}:{port} cannot be reached from the server", errno=_errno.EHOSTUNREACH
    ),
    "name_unknown": _Kind(NameUnknown, "the server finds no address for the name {host}", errno=EAI_NONAME),
    "timed_out": _Kind(
        TargetTimedOut, "{host}:{port} did not answer the server in time", errno=_errno.ETIMEDOUT
    ),
    "network_unreachable": _Kind(
        NetworkUnreachable,
        "the server has no route to the network of {host}:{port}",
        errno=_errno.ENETUNREACH,
    ),
    "not_allowed": _Kind(
        TargetNotAllowed, "the server does not connect to {host}:{port}", _NOT_ALLOWED_HINT, _errno.EACCES
    ),
    "limit": _Kind(LimitReached),
    "listen": _Kind(ListenError),
    "closed": _Kind(ClosedError),
    "failed": _Kind(EngineError),
}


def from_engine(kind: str, message: str, facts: Mapping[str, object]) -> GinnelError:
    """Turn the engine's answer to a failed command into the error that the caller sees.

    Facts that the error does not declare are left out, so that a newer engine can say more.
    """
    if kind == RAWTCP_RIGHTS:
        return rights_error()
    if kind == "listen":
        number = facts.get("errno")
        return listen_error(
            str(facts.get("address", "the address")), number if isinstance(number, int) else None, message
        )
    known = _KINDS.get(kind, _KINDS["failed"])
    text = message
    if known.template:
        try:
            text = known.template.format(
                **{**facts, "host": _bracketed(facts["host"])} if "host" in facts else facts
            )
        except (KeyError, TypeError, ValueError):
            text = message
    error = known.error(
        text or kind,
        hint=known.hint,
        **{name: value for name, value in facts.items() if _declares(known.error, name)},
    )
    if isinstance(error, OSError) and known.errno is not None:
        error.errno = known.errno
    if isinstance(error, EngineError):
        error.kind = kind
    return error


def listen_error(address: str, number: int | None, message: str = "") -> ListenError:
    """The error for an address that could not be bound; ``number`` is the system's errno."""
    reasons = {
        _errno.EADDRINUSE: ("is in use by another program", ""),
        _errno.EACCES: (
            "may not be bound by this user",
            "Ports below 1024 need a right: take a higher port, or give CAP_NET_BIND_SERVICE.",
        ),
        _errno.EADDRNOTAVAIL: ("is not an address of this machine", "See: ip address"),
    }
    reason, hint = reasons.get(number or 0, ("", ""))
    if not reason:
        why = message or (os.strerror(number) if number else "for a reason the system does not name")
        reason = f"cannot be bound: {why}"
    error = ListenError(f"{address} {reason}", hint=hint, address=address)
    error.errno = number
    return error


RAWTCP_RIGHTS = "rawtcp_rights"
"""The engine's word for it, as a failure's kind and in its log."""
RIGHTS = ("CAP_NET_RAW", "CAP_NET_BIND_SERVICE")
"""What raw TCP needs; the second only for a server's ports below 1024."""
OPTIONAL_RIGHT = "CAP_NET_ADMIN"
"""What keeps a local firewall that rejects from answering for raw TCP's ports. It lets a process change all of the
machine's network, so nothing asks for it where no such firewall was found."""


def rights_error() -> RightsError:
    """The error for raw TCP without the right to it, with the commands that give it to this very program."""
    # A file has the right, and what leads to it may be a link.
    program = os.path.realpath(sys.executable) if sys.executable else '"$(readlink -f "$(which python3)")"'
    error = RightsError(
        f"raw TCP needs the right to open packet sockets ({RIGHTS[0]})",
        hint=f"sudo setcap {','.join(RIGHTS).lower()}+ep {program}\n"
        f"Or in the unit of a systemd service:  AmbientCapabilities={' '.join(RIGHTS)}\n"
        "Or run it as root. docs/rawtcp.md says what each of them gives away.",
    )
    error.errno = _errno.EPERM
    return error


def _bracketed(host: object) -> object:
    """A host as it stands before a port: IPv6 in brackets."""
    return f"[{host}]" if ":" in str(host) else host


def _declares(error: type[GinnelError], name: str) -> bool:
    """Whether `name` is one of the error's own facts, and not something it inherited from OSError."""
    return any(name in vars(parent) for parent in error.__mro__ if issubclass(parent, GinnelError))
