"""Where a setting comes from: flags over environment over file over default. Each raw value carries its origin."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ginnel.config.bounds import ROLES, Role
from ginnel.config.mistakes import cut, did_you_mean
from ginnel.config.rawtcp import LISTEN_INSTEAD
from ginnel.config.secret import MASK
from ginnel.config.settings import SETTINGS, SHORT, owner_of
from ginnel.errors import ConfigError, without_secrets

PREFIX = "GINNEL_"
_NEAR = 0.84
"""How like a known variable an unknown one must be for a warning; other programs may use the prefix too."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a raw value stands."""

    kind: Literal["default", "file", "environment", "flag"]
    name: str = ""
    """The flag, the variable or the file."""
    line: int | None = None
    """In a file."""

    def __str__(self) -> str:
        if self.kind == "environment":
            return f"${self.name}"
        return self.kind if self.kind == "default" else f"{self.name}:{self.line}" if self.line else self.name


DEFAULT = Origin("default")


@dataclass(frozen=True, slots=True)
class Given:
    """A raw value, as a file, a variable or a flag has it."""

    value: object = field(repr=False)  # it may be a secret
    origin: Origin
    base: Path | None = None
    """Directory from which relative paths count; None: the working directory."""

    @property
    def is_text(self) -> bool:
        """Whether it is a text in any case, as opposed to a value of TOML."""
        return self.origin.kind in ("environment", "flag") and isinstance(self.value, str)


Layer = Mapping[str, Given]
"""Raw values by the keys of their settings."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong with the settings: where, what, and what would be right."""

    origin: Origin
    message: str
    """Names the place."""
    hint: str = ""
    key: str | None = None
    """The setting, where there is one."""

    def __post_init__(self) -> None:
        """Nor is a secret in what becomes no error: the JSON of `ginnel check`."""
        object.__setattr__(self, "message", without_secrets(self.message))
        object.__setattr__(self, "hint", without_secrets(self.hint))

    @property
    def line(self) -> str:
        """The whole of it in one line."""
        text = " ".join(self.hint.split())
        return f"{self.message}{'' if self.message.endswith(('.', '?')) or not text else '.'} {text}".rstrip()

    def to_error(self) -> ConfigError:
        """The mistake as an error to raise."""
        return ConfigError(self.message, hint=self.hint, setting=self.key)


def environment_layer(role: Role, variables: Mapping[str, str]) -> tuple[dict[str, Given], list[str]]:
    """Take the settings of a role from the environment, and warn of variables that were hardly meant as they are.

    A variable of the other role is no mistake: an environment may serve both.
    """
    short = {PREFIX + word.upper(): key for word, key in SHORT.items()}
    known = {setting.variable for role in ROLES for setting in SETTINGS[role].values()} | short.keys()
    names = short | {setting.variable: key for key, setting in SETTINGS[role].items()}
    layer = {
        key: Given(variables[name], Origin("environment", name))
        for name, key in names.items()
        if name in variables
    }
    warnings = []
    for name in sorted(variables):
        if not name.startswith(PREFIX) or name in known:
            continue
        # A forgotten table is as near as a wrong letter.
        whole = [one for one in sorted(known) if one.endswith(f"_{name.removeprefix(PREFIX)}")]
        guess = did_you_mean(whole[0] if whole else name, known, likeness=_NEAR)
        if guess:
            warnings.append(f"${cut(name)} is not known and has no effect.{guess}")
    return layer, warnings


def flags_layer(
    role: Role, flags: Mapping[str, tuple[str, object]], assignments: Iterable[str]
) -> tuple[dict[str, Given], list[Mistake]]:
    """Take settings from flags: by key, the flag's name and value; and from `--set KEY=VALUE`, which count more."""
    layer = {key: Given(value, Origin("flag", flag)) for key, (flag, value) in flags.items()}
    mistakes: list[Mistake] = []
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        key = SHORT.get(key.strip(), key.strip())
        origin = Origin("flag", f"--set {cut(key)}")
        if not equals:
            right = "Write --set KEY=VALUE, such as --set limits.tcp_buffer=64KiB."
            mistakes.append(
                Mistake(origin, f"--set {MASK if len(key) > 40 else cut(key)!r} has no value", right)
            )
        elif key not in SETTINGS[role]:
            mistakes.append(unknown_key(key, role, origin, "--set: "))
        else:
            layer[key] = Given(value, Origin("flag", f"--set {key}"))
    return layer, mistakes


def unknown_key(key: str, role: Role, origin: Origin, place: str) -> Mistake:
    """The mistake of a key that a role does not have."""
    owner = owner_of(key)
    if owner is not None:
        namesake = next((one for one in SETTINGS[role] if one.rpartition(".")[2] == key), None)
        right = "Take it out." if namesake is None else f"Take it out, or write {namesake}."
        if key == "rawtcp.source":
            right = LISTEN_INSTEAD
        return Mistake(origin, f"{place}{key} belongs to a {owner}, and this is a {role}", right, key)
    guess = did_you_mean(key, SETTINGS[role])
    hint = "" if guess else f"All keys, with what they do:  ginnel example {role}"
    return Mistake(origin, f"{place}unknown key {cut(key)!r}.{guess}", hint, cut(key))
