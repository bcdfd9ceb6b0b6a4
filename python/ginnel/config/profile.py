"""How an end shapes what it sends: drawn for each deployment, so that no two look alike.

A profile has eleven fields, each a pair of bounds between which the engine draws anew each time; their ranges are the
engine's own (`crates/proto/src/profile.rs`). Each end shapes what it sends, and the other need not know: a client's
profile comes with its share link, but may be another. The last field is raw TCP's alone, and share links for UDP alone
do not carry it.
"""

import hashlib
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self, get_args

from pydantic import model_validator

from ginnel.config.kinds import Kind
from ginnel.config.secret import Secret
from ginnel.config.value import Value
from ginnel.errors import ConfigError

Preset = Literal["light", "balanced"]
PRESETS: tuple[Preset, ...] = get_args(Preset)
DEFAULT_PRESET: Preset = "balanced"

Pair = tuple[int, int]
"""The least and the most, both included."""

_PASSES = 1200  # bytes of a datagram that passes wherever IPv6 does
_REQUEST_WIDTH = 200  # the lengths of requests shall not be a mark of their own


@dataclass(frozen=True, slots=True)
class Span(Kind):
    """Two whole numbers, the least and the most."""

    low: int
    high: int
    example: str

    @property
    def range(self) -> str:
        """What both may be."""
        return f"Allowed: {self.low} to {self.high}."

    def read(self, value: object, name: str) -> tuple[int, int]:
        """Read a list of two integers."""
        if (
            not isinstance(value, list | tuple)
            or len(value) != 2
            or any(type(one) is not int for one in value)
        ):
            right = f"Write the least and the most: {self.example}. {self.range}"
            raise ConfigError(f"{name} is not a pair of whole numbers", hint=right, setting=name)
        return self.check((value[0], value[1]), name)

    def read_text(self, text: str, name: str) -> tuple[int, int]:
        """Read two numbers with a dash, a comma or a blank between them."""
        numbers = re.fullmatch(r"[\s\[]*(\d{1,9})\s*[-,\s]\s*(\d{1,9})[\s\]]*", text, re.ASCII)
        return self.read(text if numbers is None else [int(numbers[1]), int(numbers[2])], name)

    def check(self, pair: tuple[int, int], name: str) -> tuple[int, int]:
        """Refuse bounds out of order or out of range, with the value and what would be right."""
        low, high = pair
        said = f"{name} = [{_cut(low)}, {_cut(high)}]"
        if not (self.low <= low <= self.high and self.low <= high <= self.high):
            raise ConfigError(f"{said} is out of range", hint=f"{self.range} Both numbers.", setting=name)
        if low > high:
            raise ConfigError(
                f"{said} is the wrong way round",
                hint=f"Write [{high}, {low}]: the least first.",
                setting=name,
            )
        return pair

    def spell(self, value: tuple[int, int]) -> str:
        """Write it as TOML."""
        return f"[{value[0]}, {value[1]}]"

    def show(self, value: tuple[int, int]) -> str:
        """Write it for people."""
        return f"{value[0]} to {value[1]}"

    def schema(self) -> dict[str, Any]:
        """A list of two integers."""
        bound = {"type": "integer", "minimum": self.low, "maximum": self.high}
        return {"type": "array", "items": bound, "minItems": 2, "maxItems": 2}


class FieldOf(NamedTuple):
    """A field: what it may be, what it does, and from where each preset draws its least and its most."""

    kind: Span
    does: str
    drawn: Mapping[Preset, tuple[tuple[int, int], tuple[int, int]]]


def _field(
    low: int, high: int, does: str, light: tuple[int, int, int, int], balanced: tuple[int, int, int, int]
) -> FieldOf:
    drawn: dict[Preset, tuple[tuple[int, int], tuple[int, int]]] = {
        "light": (light[:2], light[2:]),
        "balanced": (balanced[:2], balanced[2:]),
    }
    return FieldOf(Span(low, high, f"[{balanced[0]}, {balanced[3]}]"), does, drawn)


FIELDS: dict[str, FieldOf] = {
    "junk_count": _field(
        0,
        16,
        "Junk datagrams that a client sends ahead of its first on new addresses, at a hop, after an idle minute.",
        light=(1, 1, 1, 2),
        balanced=(1, 1, 2, 4),
    ),
    "junk_size": _field(
        1,
        _PASSES,
        "Bytes of a junk datagram, which only clients send.",
        light=(20, 160, 400, 1100),
        balanced=(20, 160, 500, 1180),
    ),
    "junk_spacing": _field(
        0,
        100,
        "Milliseconds that a client waits after each junk datagram that goes before a handshake.",
        light=(0, 0, 0, 2),
        balanced=(0, 0, 1, 3),
    ),
    "request_size": _field(
        265,
        _PASSES,
        f"Bytes of a client's request for a link, at least {_REQUEST_WIDTH} apart in a drawn profile.",
        light=(265, 600, 820, 1200),
        balanced=(265, 600, 820, 1200),
    ),
    "burst_packets": _field(
        0,
        100,
        "Packets at the beginning of a burst whose sizes are drawn one by one.",
        light=(3, 4, 5, 8),
        balanced=(18, 24, 25, 34),
    ),
    "burst_padding": _field(
        0,
        1000,
        "Bytes that such a packet gains, where it has room.",
        light=(0, 20, 100, 300),
        balanced=(0, 40, 200, 500),
    ),
    "burst_cut": _field(
        0,
        800,
        "Bytes by which such a packet is made smaller, where it would be full.",
        light=(0, 10, 40, 150),
        balanced=(0, 20, 100, 400),
    ),
    "small_padding": _field(
        0,
        500,
        "Bytes that any other small packet gains: acknowledgements, the last of a batch.",
        light=(0, 0, 8, 32),
        balanced=(0, 8, 40, 120),
    ),
    "control_padding": _field(
        24,
        119,
        "Bytes that a control message gains: keep-alives, echoes, challenges.",
        light=(24, 48, 80, 119),
        balanced=(24, 48, 80, 119),
    ),
    "segment_cut": _field(
        0,
        200,
        "Bytes by which full packets are smaller than the path allows, drawn for each link and key.",
        light=(0, 0, 12, 30),
        balanced=(0, 4, 30, 70),
    ),
    "printable": _field(
        6,
        64,
        "Printable letters with which the first payload of a client's flow of raw TCP begins.",
        light=(6, 10, 12, 32),
        balanced=(6, 10, 12, 32),
    ),
}
"""Every field by its name, in the order in which share links carry them, and in which they are drawn."""


class _Fields(Value):
    """What a whole profile and a person's choice have in common."""

    preset: Preset | None = None

    def pairs(self) -> dict[str, tuple[int, int]]:
        """The fields that have a value, as the engine takes them."""
        return {name: pair for name in FIELDS if (pair := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, pair in self.pairs().items():
            FIELDS[name].kind.check(pair, f"profile.{name}")
        return self


class Profile(_Fields):
    """How an end shapes what it sends. Raises ConfigError, which names the field, the value and the range."""

    junk_count: Pair
    junk_size: Pair
    junk_spacing: Pair
    request_size: Pair
    burst_packets: Pair
    burst_padding: Pair
    burst_cut: Pair
    small_padding: Pair
    control_padding: Pair
    segment_cut: Pair
    printable: Pair | None = None
    """None: as the deployment's secret says, see `completed`."""

    @classmethod
    def draw(cls, preset: Preset, source: random.Random) -> "Profile":
        """Draw a profile: the bounds of each field within the ranges of the preset."""
        drawn: dict[str, Any] = {"preset": preset}
        for name, field in FIELDS.items():
            least, most = field.drawn[preset]
            low, high = source.randint(*least), source.randint(*most)
            drawn[name] = (low, max(low, high))
        return cls.build(**drawn)

    @classmethod
    def fresh(cls, preset: Preset) -> "Profile":
        """Draw one from the system's randomness, for a new deployment."""
        return cls.draw(preset, random.SystemRandom())

    @classmethod
    def derive(cls, psk: Secret, preset: Preset = DEFAULT_PRESET) -> "Profile":
        """Draw one from a deployment's secret, always the same: for links that carry none, or one of another preset."""
        seed = hashlib.blake2s(preset.encode(), key=psk.reveal(), person=b"ginnel-p").digest()
        # No secret is drawn here; the digest, under a label of its own, says nothing about the secret.
        return cls.draw(preset, random.Random(int.from_bytes(seed, "big")))  # noqa: S311 - repeatable on purpose

    def completed(self, psk: Secret) -> "Profile":
        """With the field that share links for UDP alone do not carry: drawn from the deployment's secret."""
        if self.printable is not None:
            return self
        return self.model_copy(
            update={"printable": Profile.derive(psk, self.preset or DEFAULT_PRESET).printable}
        )

    def to_toml(self) -> str:
        """Write it as the table of a configuration file."""
        lines = ["[profile]"] + ([f'preset = "{self.preset}"'] if self.preset else [])
        return "\n".join(
            [*lines, *(f"{name} = [{low}, {high}]" for name, (low, high) in self.pairs().items())]
        )


class ProfileConfig(_Fields):
    """What a person says about the profile of an end: a preset, and fields that are to be otherwise."""

    junk_count: Pair | None = None
    junk_size: Pair | None = None
    junk_spacing: Pair | None = None
    request_size: Pair | None = None
    burst_packets: Pair | None = None
    burst_padding: Pair | None = None
    burst_cut: Pair | None = None
    small_padding: Pair | None = None
    control_padding: Pair | None = None
    segment_cut: Pair | None = None
    printable: Pair | None = None

    @classmethod
    def of(cls, given: "Preset | ProfileConfig | None") -> "ProfileConfig":
        """Take a preset's name for what it means. Raises ConfigError for a name that is none."""
        if isinstance(given, ProfileConfig):
            return given
        if given is not None and given not in PRESETS:
            raise ConfigError(
                f"profile = {str(given)[:40]!r} is no preset",
                hint=f"One of: {', '.join(PRESETS)}.",
                setting="profile",
            )
        return cls.build(preset=given)

    def wants_another(self, profile: Profile) -> bool:
        """Whether it names a preset of which the profile is not."""
        return self.preset is not None and self.preset != profile.preset

    def over(self, profile: Profile) -> Profile:
        """The profile with those fields changed that are given here."""
        return Profile.build(**{**profile.pairs(), "preset": profile.preset, **self.pairs()})


def _cut(number: int) -> str:
    return str(number) if abs(number) < 10**12 else "(a very large number)"
