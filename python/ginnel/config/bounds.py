"""Values whose fields each have a range and a default for each role, in one table: the class itself.

A field is declared with its `Bound`, from which come the checks, the errors, the keys of a configuration file, the
example, the schema and what the engine is told. Its Python name is the file's key and its unit, `tcp_buffer_bytes`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import ValidationError, model_validator

from ginnel.config.kinds import Bounded, Count, Duration, Size
from ginnel.config.units import parse_duration, parse_size
from ginnel.config.value import Value, explain
from ginnel.errors import ConfigError

Role = Literal["server", "client"]
ROLES: tuple[Role, ...] = ("server", "client")

_ENDLESS = 2**50
_UNITS = "_seconds", "_bytes"


@dataclass(frozen=True, slots=True)
class Bound:
    """What a field may be, its default for each role (None: not a setting of that role), and what it does."""

    kind: Bounded
    server: float | None
    client: float | None
    does: str

    def default(self, role: Role) -> float | None:
        """The default of a role; None where the role has no such setting."""
        return self.server if role == "server" else self.client

    def for_role(self, role: Role) -> Bounded:
        """The kind, with the role's default in its errors."""
        default = self.default(role)
        return (
            self.kind if default is None else self.kind.noted(f" The default is {self.kind.show(default)}.")
        )

    def for_any_role(self) -> Bounded:
        """The kind, with the defaults of all roles that have it in its errors."""
        defaults = {role: default for role in ROLES if (default := self.default(role)) is not None}
        shown = [f"{self.kind.show(default)} on a {role}" for role, default in defaults.items()]
        if len(set(defaults.values())) == 1:
            shown = [self.kind.show(next(iter(defaults.values())))]
        return self.kind.noted(f" The default is {', '.join(shown)}.")


class Rule(NamedTuple):
    """Two settings of one table, of which the first must be smaller than the second, or at most as large."""

    smaller: str
    larger: str
    may_be_equal: bool


class Table(Value):
    """A value with bounds: one table of a configuration file. A field left out (None) is the default of the role.

    Raises ConfigError, which names the field and what would be right.
    """

    name: ClassVar[str]
    """What the table is called in a file."""
    rules: ClassVar[tuple[Rule, ...]] = ()
    engine_names: ClassVar[Mapping[str, str]] = {}
    """What the engine calls a key, where people say it shorter."""

    if not TYPE_CHECKING:  # the signature of each class is that of its fields

        def __init__(self, **settings: object) -> None:
            try:
                super().__init__(**settings)
            except ValidationError as error:
                raise explain(error, tuple(type(self).model_fields)) from None

    @model_validator(mode="after")
    def _check(self) -> Self:
        for field, bound in self.bounds().items():
            value = getattr(self, field)
            if value is not None:
                bound.for_any_role().check(value, field)
        return self

    @classmethod
    def bounds(cls) -> dict[str, Bound]:
        """Each field's name and bound."""
        return {
            name: bound
            for name, field in cls.model_fields.items()
            for bound in field.metadata
            if isinstance(bound, Bound)
        }

    @classmethod
    def keys(cls, role: Role) -> dict[str, str]:
        """The key of each setting of a role, with its field's name."""
        return {
            key_of(field): field for field, bound in cls.bounds().items() if bound.default(role) is not None
        }

    def filled(self, role: Role) -> Self:
        """The same, with the role's default in each field that was left out; checked against the rules."""
        values: dict[str, Any] = {}
        for field, bound in self.bounds().items():
            value, default = getattr(self, field), bound.default(role)
            if default is None and value is not None:
                raise ConfigError(f"{field} is no setting of a {role}", hint="Leave it out.", setting=field)
            values[field] = default if value is None else value
        whole = type(self)(**values)
        numbers = whole.engine(role)
        for broken, other, what in self.broken_rules(numbers):
            fields, kinds = self.keys(role), self.bounds()
            field, limit = fields[broken], kinds[fields[other]].kind.show(numbers[other])
            raise ConfigError(f"{field} = {numbers[broken]:g} {what} {fields[other]}, {limit}", setting=field)
        return whole

    def engine(self, role: Role) -> dict[str, float]:
        """The role's settings as the engine takes them: its name, and seconds, bytes or count."""
        return {
            self.engine_names.get(key, key): value
            for key, field in self.keys(role).items()
            if (value := getattr(self, field)) is not None
        }

    @classmethod
    def broken_rules(cls, numbers: dict[str, float]) -> Iterator[tuple[str, str, str]]:
        """Find which rules the numbers break: the key, the other key, and what is wrong between them."""
        for smaller, larger, may_be_equal in cls.rules:
            if smaller not in numbers or larger not in numbers:
                continue
            if numbers[smaller] > numbers[larger] or (
                numbers[smaller] == numbers[larger] and not may_be_equal
            ):
                word = "is more than" if may_be_equal else "must be less than"
                yield smaller, larger, word


def key_of(field: str) -> str:
    """The key in a file: the field's name without its unit."""
    for unit in _UNITS:
        field = field.removesuffix(unit)
    return field


def seconds(low: str, high: str, does: str, *, both: str = "", server: str = "", client: str = "") -> Bound:
    """The bound of a time: its range, what it does, and its default for both roles or for each that has it."""

    def read(text: str) -> float:
        return parse_duration(text, setting=does, maximum_seconds=_ENDLESS)

    return Bound(Duration(read(low), read(high)), *_defaults(read, both, server, client), does)


def size(low: str, high: str, does: str, *, both: str = "", server: str = "", client: str = "") -> Bound:
    """The bound of a size: its range, what it does, and its default for both roles or for each that has it."""

    def read(text: str) -> int:
        return parse_size(text, setting=does, maximum_bytes=_ENDLESS)

    return Bound(Size(read(low), read(high)), *_defaults(read, both, server, client), does)


def count(low: int, high: int, does: str, *, both: int = -1, server: int = -1, client: int = -1) -> Bound:
    """The bound of a number: its range, what it does, and its default for both roles or for each that has it."""
    on_server, on_client = (both if both >= 0 else None if given < 0 else given for given in (server, client))
    return Bound(Count(low, high), on_server, on_client, does)


def _defaults(read: Any, both: str, server: str, client: str) -> tuple[float | None, float | None]:
    on_server, on_client = (read(text) if (text := both or given) else None for given in (server, client))
    return on_server, on_client
