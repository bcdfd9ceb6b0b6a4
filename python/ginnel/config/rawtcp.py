"""What a person may decide about the way of raw TCP; what is not decided is found out. Each end decides for itself."""

import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, ValidationError

from ginnel.config.address import parse_ip
from ginnel.config.kinds import Kind
from ginnel.config.mistakes import Unusable
from ginnel.config.value import Value, explain

_PAIRS = re.compile(r"[0-9a-fA-F]{2}([:-])[0-9a-fA-F]{2}(\1[0-9a-fA-F]{2}){4}")
_MOST_NAME = 15


class _Interface(Kind):
    """The name of a network interface."""

    example = '"eth0"'

    def read(self, value: object, name: str) -> str:
        """Read a name such as the system accepts (`dev_valid_name` in Linux)."""
        text = self.text(value, name)
        is_odd = any(letter.isspace() or letter in "/:\0" for letter in text) or text in ("", ".", "..")
        if is_odd or len(text.encode("utf-8", "surrogateescape")) > _MOST_NAME:
            right = f"A name of at most {_MOST_NAME} letters, such as {self.example}. See: ginnel interfaces"
            raise Unusable(name, value, "is not the name of an interface", right)
        return text

    def schema(self) -> dict[str, Any]:
        """A short string."""
        return {"type": "string", "minLength": 1, "maxLength": _MOST_NAME}


class _Source(Kind):
    """An IP address of this machine."""

    example = '"192.0.2.1"'

    def read(self, value: object, name: str) -> str:
        """Read an address that a packet can come from; in its one normal form."""
        address = parse_ip(self.text(value, name).strip())
        if address is None or address.is_unspecified or address.is_multicast:
            right = f"Without port and brackets, such as {self.example}. See: ginnel interfaces"
            raise Unusable(name, value, "is not an address of this machine", right)
        return str(address)

    def schema(self) -> dict[str, Any]:
        """A string."""
        return {"type": "string", "minLength": 2}


class _Hardware(Kind):
    """The hardware address of one machine."""

    example = '"02:00:00:00:00:01"'

    def read(self, value: object, name: str) -> str:
        """Read six pairs of hexadecimal digits; in small letters, with colons between them."""
        text = self.text(value, name).strip()
        right = f"Six pairs of hexadecimal digits, such as {self.example}. See: ip neighbour"
        if not _PAIRS.fullmatch(text):
            raise Unusable(name, value, "is not a hardware address", right)
        normal = text.lower().replace("-", ":")
        # The lowest bit of the first byte: a group, or all (IEEE 802, section 8.2).
        if int(normal[:2], 16) & 1 or normal == "00:00:00:00:00:00":
            raise Unusable(name, value, "is the address of no single machine", right)
        return normal

    def schema(self) -> dict[str, Any]:
        """A string of that form."""
        return {"type": "string", "pattern": "^ *[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5} *$"}


INTERFACE, SOURCE, GATEWAY = _Interface(), _Source(), _Hardware()
LISTEN_INSTEAD = (
    'Take it out: a server sends from the address it listens on, such as listen = "rawtcp://192.0.2.1:443".'
)
"""What is right for a server that is given a source."""


def _read(kind: Kind, key: str) -> BeforeValidator:
    return BeforeValidator(lambda value: None if value is None else kind.read(value, f"rawtcp.{key}"))


class RawTcpConfig(Value):
    """The way of raw TCP, where it is not to be found out. Raises ConfigError, which names field and value."""

    if not TYPE_CHECKING:  # the signature is that of the fields

        def __init__(self, **settings: object) -> None:
            try:
                super().__init__(**settings)
            except ValidationError as error:
                raise explain(error, tuple(type(self).model_fields)) from None

    interface: Annotated[str | None, _read(INTERFACE, "interface")] = None
    """Interface to use, be it a VPN's. None: that of the route; of a server, all."""
    source: Annotated[str | None, _read(SOURCE, "source")] = None
    """IP address to send from, which only a client has. None: that of the route."""
    gateway: Annotated[str | None, _read(GATEWAY, "gateway")] = None
    """Hardware address to send to. None: that of the next machine on the route; of a server, where its clients' came
    from."""

    def engine(self) -> dict[str, str]:
        """What is decided, as the engine takes it."""
        return {name: str(value) for name, value in self if value is not None}
