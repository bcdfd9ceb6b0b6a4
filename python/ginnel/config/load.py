"""From layers of raw values to a checked configuration, with every mistake that is in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ginnel.config.bounds import Role
from ginnel.config.congestion import RATE
from ginnel.config.document import Document, read_document
from ginnel.config.files import is_open_to_others, read_file
from ginnel.config.kcp import FIXED_MODES, KcpConfig
from ginnel.config.kinds import FilePath, resolve
from ginnel.config.layers import DEFAULT, Given, Layer, Mistake, Origin, environment_layer, flags_layer
from ginnel.config.limits import tables
from ginnel.config.linktext import MAX_TEXT
from ginnel.config.listeners import Listeners
from ginnel.config.logs import LogConfig
from ginnel.config.mistakes import EntryMistake, Unusable, quoted, written
from ginnel.config.profile import ProfileConfig
from ginnel.config.rawtcp import RawTcpConfig
from ginnel.config.setting import Setting
from ginnel.config.settings import SETTINGS, TABLES
from ginnel.config.sharelink import ShareLink
from ginnel.config.state import state_directory
from ginnel.config.values import ClientConfig, Config, ServerConfig, clashes
from ginnel.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Source:
    """All that settings come from, so that they can be read again."""

    file: Path | None = None
    role: Role | None = None
    """Where there is no file to say it."""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)  # GINNEL_LINK is a secret
    flags: Mapping[str, tuple[str, object]] = field(default_factory=dict, repr=False)
    """By key: the flag's name and its value."""
    assignments: Sequence[str] = field(default=(), repr=False)
    """Of `--set`."""
    defaults: Mapping[str, object] = field(default_factory=dict)
    """Defaults that differ from those of the settings."""

    def load(self) -> "Loaded":
        """Read everything. Raises ConfigError for a file that cannot be read or is not TOML."""
        document = Document(Path(), self.role) if self.file is None else read_document(self.file)
        if document.role is None:
            return Loaded(None, mistakes=tuple(document.mistakes))
        variables, warnings = environment_layer(document.role, self.variables)
        flags, mistakes = flags_layer(document.role, self.flags, self.assignments)
        reading = _Reading(document, [document.layer, variables, flags], self.defaults)
        reading.mistakes += [*document.mistakes, *mistakes]
        reading.warnings += warnings
        return reading.finish(document.role)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was read: a configuration, or the mistakes that keep it from being one."""

    role: Role | None
    config: Config | None = None
    mistakes: tuple[Mistake, ...] = ()
    """Sorted: those of the file by line, then those of the environment, then those of flags."""
    warnings: tuple[str, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)
    """Where each setting that is not a default comes from, by key."""
    log_format: str | None = None
    """How to log; known also where mistakes elsewhere leave no configuration."""

    def usable(self) -> Config:
        """The configuration. Raises the first mistake as ConfigError."""
        if self.mistakes or self.config is None:
            raise self.mistakes[0].to_error() if self.mistakes else ConfigError("there is no configuration")
        return self.config


class _Reading:
    """One reading of all layers, lowest first."""

    def __init__(self, document: Document, layers: list[Layer], defaults: Mapping[str, object]) -> None:
        self.mistakes: list[Mistake] = []
        self.warnings: list[str] = []
        self._document = document
        self._layers = layers
        self._defaults = defaults
        self._values: dict[str, Any] = {}
        self._given: dict[str, Given] = {}

    def finish(self, role: Role) -> Loaded:
        """Read all values, check them together, and make the configuration."""
        settings = SETTINGS[role]
        for layer in self._layers:
            self._choose(layer, role)
            for key, given in layer.items():
                self._read(settings[key], given)
        self._check_rules(role)
        self._check_rate(settings["congestion"], settings["rate"])
        self._check_window(settings["kcp.mode"], settings["kcp.window"])
        if role == "client":
            self._check_link()
        else:
            self._check_places()
        mistakes = tuple(sorted(self.mistakes, key=_order))
        origins = {key: given.origin for key, given in self._given.items()}
        config = None if mistakes else self._build(role)
        return Loaded(role, config, mistakes, tuple(self.warnings), origins, self._values.get("log.format"))

    def _read(self, setting: Setting, given: Given) -> None:
        """Read one value, which then counts more than those before it."""
        origin, key = given.origin, setting.key
        # A flag is its own name; a key in a file is found by file and line.
        name = key if origin.kind == "file" else str(origin)
        prefix = f"{origin}: " if origin.kind == "file" else ""
        try:
            value = self._value(setting, given, name)
        except EntryMistake as error:
            place = Origin(
                origin.kind, origin.name, self._document.lines.get((key, *error.place), origin.line)
            )
            prefix = f"{place}: " if origin.kind == "file" else ""
            self._mistake(place, f"{prefix}{error}", error, key)
        except Unusable as error:
            shown = quoted(given.value) if given.is_text else written(given.value)
            self._mistake(origin, f"{prefix}{name} = {shown} {error.what}", error, key)
        except ConfigError as error:
            what = str(error) if str(error).startswith(name) else f"{name}: {error}"
            self._mistake(origin, f"{prefix}{what}", error, key)
        else:
            self._values[key] = value
        self._given[key] = given

    def _value(self, setting: Setting, given: Given, name: str) -> Any:
        kind = setting.kind
        if isinstance(kind, Listeners) and not given.is_text:
            return kind.read_from(given.value, name, given.base)
        value = kind.read_text(str(given.value), name) if given.is_text else kind.read(given.value, name)
        if isinstance(kind, FilePath):
            value = resolve(value, given.base, name)
        if setting.key == "link_file":
            return self._link_in(value)
        return value

    def _link_in(self, path: Path) -> ShareLink:
        text, mode = read_file(path, maximum_bytes=MAX_TEXT)
        if is_open_to_others(mode):
            self.warnings.append(f"{path} holds a share link and is open to others; chmod 600 '{path}'")
        return ShareLink.parse(text)

    def _choose(self, layer: Layer, role: Role) -> None:
        """Of two settings that say the same: a layer that has either overrides both of the layers below."""
        either = _EITHER[role]
        both = [layer[key] for key in either if key in layer]
        if len(both) > 1 and role == "client":
            origin = both[1].origin
            message = f"{origin}: both {' and '.join(either)} are given"
            self.mistakes.append(Mistake(origin, message, "Take one of them out.", either[1]))
        if both:
            for key in either:
                self._values.pop(key, None)
                self._given.pop(key, None)

    def _check_link(self) -> None:
        if "link" in self._given or "link_file" in self._given:
            return
        origin = Origin("file", str(self._document.path)) if self._document.lines else DEFAULT
        place = f"{origin}: " if self._document.lines else ""
        right = 'Write link_file = "link.txt", the file that holds it; or give it in $GINNEL_LINK.'
        self.mistakes.append(Mistake(origin, f"{place}no share link is given", right, "link_file"))

    def _check_places(self) -> None:
        """Whether what is said of where a server listens fits together; a mistake stands where it was made."""
        keys = "listen", "ports", "advertise"
        if any(mistake.key in keys for mistake in self.mistakes):
            return  # what was meant is not known
        listen, ports, advertise = (self._values.get(key) for key in keys)
        for key, what, right in clashes(listen, ports, advertise):
            origin = self._given[key].origin
            self.mistakes.append(Mistake(origin, f"{origin}: {what}", right, key))

    def _check_rules(self, role: Role) -> None:
        """Check the settings that must fit together; a mistake stands where the last of them was given."""
        for table in tables():
            keys = [key for key in SETTINGS[role] if key.startswith(f"{table.name}.")]
            numbers = {key.partition(".")[2]: self._effective(SETTINGS[role][key]) for key in keys}
            for first, second, what in table.broken_rules(numbers):
                key, other = f"{table.name}.{first}", f"{table.name}.{second}"
                kinds = SETTINGS[role][key].kind, SETTINGS[role][other].kind
                given = [self._given[name] for name in (key, other) if name in self._given]
                if not given:
                    continue
                origin = max((one.origin for one in given), key=_rank)
                value, limit = kinds[0].spell(numbers[first]), kinds[1].show(numbers[second])
                note = "" if other in self._given else ", the default"
                message = f"{origin}: {key} = {value} {what} {other} ({limit}{note})"
                self.mistakes.append(Mistake(origin, message, "", key))

    def _check_rate(self, congestion: Setting, setting: Setting) -> None:
        """Whether there is a rate where one is needed, and only there; each mistake stands where it was made."""
        if any(mistake.key in ("congestion", "rate") for mistake in self.mistakes):
            return  # what was meant is not known
        controller, chosen = self._effective(congestion), self._given.get("congestion")
        rate = self._given.get("rate")
        if controller == "fixed" and chosen is not None and rate is None:
            message = f'{chosen.origin}: congestion = "fixed" needs a rate'
            right = f"Give what the line carries as well: rate = {RATE.example}. The default needs none."
            self.mistakes.append(Mistake(chosen.origin, message, right, "congestion"))
        if controller != "fixed":
            right = 'Set congestion to "fixed", or take the rate out.'
            self._check_unused(setting, congestion, '"fixed"', right)

    def _check_window(self, mode: Setting, window: Setting) -> None:
        """Whether there is a window where none is needed."""
        if any(mistake.key in ("kcp.mode", "kcp.window") for mistake in self.mistakes):
            return  # what was meant is not known
        if self._effective(mode) not in FIXED_MODES:
            right = "Take it out: auto follows the path."
            self._check_unused(window, mode, f"one of {', '.join(FIXED_MODES)}", right)

    def _check_unused(self, setting: Setting, chooser: Setting, users: str, right: str) -> None:
        """Refuse a setting that another one, as it is, has no use for."""
        key = setting.key
        given, chosen = self._given.get(key), self._given.get(chooser.key)
        if given is None:
            return
        if chosen is not None and _KINDS.index(chosen.origin.kind) > _KINDS.index(given.origin.kind):
            # A higher layer has chosen otherwise, and what is below it goes with the old choice.
            del self._values[key], self._given[key]
            return
        where = "the default" if chosen is None else str(chosen.origin)
        value = setting.kind.spell(self._values[key])
        message = f"{given.origin}: {key} = {value} counts only where {chooser.key} is {users}"
        message += f', and it is "{self._effective(chooser)}" ({where})'
        self.mistakes.append(Mistake(given.origin, message, right, key))

    def _effective(self, setting: Setting) -> Any:
        default = self._defaults.get(setting.key, setting.default)
        return self._values.get(setting.key, default)

    def _build(self, role: Role) -> Config:
        flat: dict[str, Any] = {}
        nested: dict[str, dict[str, Any]] = {name: {} for name in TABLES}
        for setting in SETTINGS[role].values():
            value = self._effective(setting)
            if value is None or not setting.name:
                continue
            table, _, name = setting.name.rpartition(".")
            (nested[table] if table else flat)[name] = value
        flat["kcp"] = KcpConfig(**nested["kcp"])
        flat["rawtcp"] = RawTcpConfig.build(**nested["rawtcp"])
        flat["profile"] = ProfileConfig.build(**nested["profile"])
        flat["log"] = LogConfig.build(**nested["log"], areas=nested["log.areas"])
        for one in tables():
            flat[one.name] = one(**nested[one.name])
        if role == "server":
            flat.setdefault("state", state_directory(None))
            return ServerConfig.build(**flat)
        if "link_file" in self._values:
            flat["link"] = self._values["link_file"]
        return ClientConfig.build(**flat)

    def _mistake(self, origin: Origin, message: str, error: ConfigError, key: str) -> None:
        self.mistakes.append(Mistake(origin, message, error.hint, key))


_EITHER: Mapping[Role, tuple[str, str]] = {"client": ("link", "link_file"), "server": ("listen", "ports")}
_KINDS = ("default", "file", "environment", "flag")


def _rank(origin: Origin) -> tuple[int, int]:
    return _KINDS.index(origin.kind), origin.line or 0


def _order(mistake: Mistake) -> tuple[int, int]:
    return _rank(mistake.origin)
