"""What a new configuration changes about the old one, setting by setting, and when each change takes effect."""

from dataclasses import dataclass
from typing import Any, TypeVar

from ginnel.config.bounds import Role
from ginnel.config.setting import Effect
from ginnel.config.settings import SETTINGS
from ginnel.config.values import ClientConfig, Config, ServerConfig

C = TypeVar("C", ServerConfig, ClientConfig)


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that differs. Values are written for people, secrets masked."""

    key: str
    old: str
    new: str
    effect: Effect

    def __str__(self) -> str:
        what = "another secret" if self.old == self.new else f"{self.old} is now {self.new}"
        return f"{self.key}: {what}, {self.effect}"

    def to_json(self) -> dict[str, str]:
        """The change for programs."""
        return {"key": self.key, "old": self.old, "new": self.new, "effect": self.effect}


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """What a reload did."""

    applied: tuple[Change, ...] = ()
    """Changes that have taken effect, or do so for new links and streams."""
    waiting: tuple[Change, ...] = ()
    """Changes that wait for the next start."""

    @property
    def lines(self) -> tuple[str, ...]:
        """A line for each change, and one when there is none."""
        return tuple(map(str, (*self.applied, *self.waiting))) or ("nothing has changed",)

    def to_json(self) -> list[dict[str, str]]:
        """All changes for programs, what has taken effect first; `effect` says which is which."""
        return [change.to_json() for change in (*self.applied, *self.waiting)]


def role_of(config: Config) -> Role:
    """Whose configuration it is."""
    return "server" if isinstance(config, ServerConfig) else "client"


def difference(old: Config, new: Config) -> list[Change]:
    """The settings that differ, in the order of a file. Of another role only the role is told."""
    role = role_of(old)
    if role_of(new) != role:
        return [Change("role", role, role_of(new), "at the next start")]
    changes = []
    for setting in SETTINGS[role].values():
        if not setting.name:
            continue
        before, after = setting.of(old), setting.of(new)
        if before != after:
            changes.append(Change(setting.key, setting.show(before), setting.show(after), setting.effect))
    return changes


def report_of(changes: list[Change]) -> ReloadReport:
    """Part the changes into those that take effect now and those that wait."""
    return ReloadReport(
        tuple(change for change in changes if change.effect != "at the next start"),
        tuple(change for change in changes if change.effect == "at the next start"),
    )


def running(old: C, new: C) -> C:
    """The configuration that holds after a reload: the new one, but for what waits for the next start."""
    settings = SETTINGS[role_of(old)]
    waiting = [change.key for change in difference(old, new) if change.effect == "at the next start"]
    kept: dict[str, Any] = {}
    tables: dict[str, dict[str, Any]] = {}
    for setting in (settings[key] for key in waiting):
        table, _, name = setting.name.rpartition(".")
        (tables.setdefault(table, {}) if table else kept)[name] = setting.of(old)
    for table, values in tables.items():
        kept[table] = getattr(new, table).model_copy(update=values)
    return new.model_copy(update=kept)
