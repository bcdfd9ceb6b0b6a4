"""The settings `listen` and `advertise`: one place for each carrier, alone or in a list."""

import json
import re
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from ginnel.config.address import Advertised, Endpoint, parse_advertised, parse_listen_ports
from ginnel.config.carrier import CARRIERS, Carrier
from ginnel.config.kinds import Kind
from ginnel.config.mistakes import EntryMistake, Unusable, written
from ginnel.config.ports import MAX_PORT
from ginnel.errors import ConfigError

P = TypeVar("P", Endpoint, Advertised)

# Blanks and commas stand between ports too; before a scheme they part places.
_BETWEEN = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")


class _Places(Kind, Generic[P]):
    """Places of which each carrier has one at most."""

    most: int
    right: str
    """A list that is right."""

    @abstractmethod
    def parse(self, text: str, name: str) -> P:
        """Read one place."""

    def read(self, value: object, name: str) -> tuple[P, ...]:
        """Read a place or a list of places; a bare port may go without quotes."""
        if not isinstance(value, list):
            return (self._entry(value, name),)
        if not 1 <= len(value) <= self.most:
            what = "is an empty list" if not value else f"has {len(value)} entries"
            raise Unusable(name, value, what, self.right)
        places: list[P] = []
        for number, entry in enumerate(value):
            try:
                place = self._entry(entry, name)
                if any(one.carrier == place.carrier for one in places):
                    raise Unusable(name, entry, "is a second place for the same carrier", self.right)
            except Unusable as error:
                raise EntryMistake(
                    name, f"{name} = {written(entry)} {error.what}", (number,), error.hint
                ) from None
            except ConfigError as error:
                raise EntryMistake(name, str(error), (number,), error.hint) from None
            places.append(place)
        return tuple(places)

    def read_text(self, text: str, name: str) -> tuple[P, ...]:
        """Read places with blanks or commas between them, each but the first with its scheme."""
        places: list[object] = [*_BETWEEN.split(text.strip())]
        return self.read(places[0] if len(places) == 1 else places, name)

    def spell(self, value: tuple[P, ...]) -> str:
        """Write a place in quotes, several as a list."""
        texts = [json.dumps(str(place)) for place in value]
        return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"

    def show(self, value: tuple[P, ...]) -> str:
        """Write them in a row."""
        return " ".join(map(str, value))

    def schema(self) -> dict[str, Any]:
        """A place, or a list of places."""
        listed = {"type": "array", "minItems": 1, "maxItems": self.most}
        return {"anyOf": [*self.schema_of_one(), {**listed, "items": {"anyOf": self.schema_of_one()}}]}

    def schema_of_one(self) -> list[dict[str, Any]]:
        """What one place may be."""
        return [{"type": "string"}]

    def _entry(self, value: object, name: str) -> P:
        return self.parse(self.text(value, name), name)


@dataclass(frozen=True, slots=True)
class Listen(_Places[Endpoint]):
    """Where a server listens."""

    default_host: str
    example = '"127.0.0.1:4433"'
    most = len(CARRIERS)
    right = 'One for each carrier: ["udp://0.0.0.0:4433,5000-5100", "rawtcp://0.0.0.0:443"].'

    def parse(self, text: str, name: str) -> Endpoint:
        """Read `[CARRIER://][ADDR:]PORTS`."""
        return parse_listen_ports(text, default_host=self.default_host, setting=name)

    def schema_of_one(self) -> list[dict[str, Any]]:
        """A string or a port."""
        return [{"type": "string"}, {"type": "integer", "minimum": 0, "maximum": MAX_PORT}]

    def _entry(self, value: object, name: str) -> Endpoint:
        return self.parse(self.text(written(value) if type(value) is int else value, name), name)


class Advertise(_Places[Advertised]):
    """Addresses under which others reach this machine."""

    example = '"vpn.example.net"'
    most = 1 + len(CARRIERS)
    right = 'One for each carrier, or one for all: ["vpn.example.net", "rawtcp://vpn.example.net:443"].'

    def parse(self, text: str, name: str) -> Advertised:
        """Read `[CARRIER://]HOST[:PORTS]`."""
        return parse_advertised(text, setting=name)


class _Carried(Protocol):
    """What has a carrier."""

    @property
    def carrier(self) -> Carrier: ...


def carriers_of(places: Iterable[_Carried]) -> tuple[Carrier, ...]:
    """The carriers of some places, each once, in their order."""
    return tuple(dict.fromkeys(place.carrier for place in places))
