"""A configuration file: TOML, cut into raw values with their lines. What is no setting is a mistake."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ginnel.config.bounds import ROLES, Role
from ginnel.config.files import is_open_to_others, read_file
from ginnel.config.layers import Given, Mistake, Origin, unknown_key
from ginnel.config.listeners import holds_password
from ginnel.config.mistakes import cut, did_you_mean, written
from ginnel.config.positions import Place, find_lines
from ginnel.config.settings import SETTINGS, SHORT, TABLES
from ginnel.errors import ConfigError

_AT_LINE = re.compile(r" \(at (?:line ([0-9]+), column ([0-9]+)|end of document)\)$")
_KEY = re.compile(r"""\s*([\w.-]{1,80})\s*=""")
_DECLARED = re.compile(r"Cannot declare \((.*?),?\) twice")
_ROLE_HINT = 'Write at the top: role = "server" or role = "client".'


@dataclass(frozen=True, slots=True)
class Document:
    """What a configuration file says. Its mistakes are those that show before any value is read."""

    path: Path
    role: Role | None
    layer: dict[str, Given] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    lines: dict[Place, int] = field(default_factory=dict)


def read_document(path: Path) -> Document:
    """Read a file. Raises ConfigError when it cannot be read or is not TOML; else mistakes are in the document."""
    text, mode = read_file(path)
    text = text.replace("\r\n", "\n")
    try:
        tree = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _not_toml(path, text, error) from None
    lines = find_lines(text)
    document = Document(path, _role(tree), lines=lines)
    if document.role is None:
        document.mistakes.append(_bad_role(document, tree))
    else:
        _flatten(document, document.role, tree, ())
        document.mistakes.extend(_open_secrets(document, mode))
    return document


def _role(tree: dict[str, Any]) -> Role | None:
    return next((role for role in ROLES if role == tree.get("role")), None)


def _bad_role(document: Document, tree: dict[str, Any]) -> Mistake:
    origin = Origin("file", str(document.path), document.lines.get(("role",)))
    if "role" not in tree:
        return Mistake(origin, f"{origin}: the file does not say its role", _ROLE_HINT, "role")
    role = tree["role"]
    guess = did_you_mean(role, ROLES).strip() if isinstance(role, str) else ""
    message = f"{origin}: role = {written(role)} is not a role"
    return Mistake(origin, message, f"{guess} {_ROLE_HINT}".strip(), "role")


def _flatten(document: Document, role: Role, table: dict[str, Any], path: tuple[str, ...]) -> None:
    """Turn nested tables into settings by their dotted keys, and note what is none."""
    for name, value in table.items():
        place = (*path, name)
        key = ".".join(place)
        origin = Origin("file", str(document.path), document.lines.get(place))
        if key == "role":
            continue
        if key in TABLES and "." not in name:
            if isinstance(value, dict):
                _flatten(document, role, value, place)
            elif key in SHORT and isinstance(value, str):
                document.layer[SHORT[key]] = Given(value, origin, document.path.parent)
            else:
                first = next(
                    setting for setting in SETTINGS[role].values() if setting.key.startswith(f"{key}.")
                )
                message = f"{origin}: {key} = {written(value)} is not a table"
                right = (
                    f"Write [{key}], and below it such as {first.key.rsplit('.', 1)[1]} = {first.example}."
                )
                document.mistakes.append(Mistake(origin, message, right, key))
        elif "." in name and (key in SETTINGS[role] or key in TABLES):
            message = f"{origin}: the key {key} stands in quotes, so that its dot is a part of a name"
            document.mistakes.append(Mistake(origin, message, f"Write it without quotes: {key} = …", key))
        elif key not in SETTINGS[role]:
            document.mistakes.append(unknown_key(key, role, origin, f"{origin}: "))
        elif isinstance(value, dict) and key != "socks5":
            example = SETTINGS[role][key].example
            message = f"{origin}: {key} is a table, and a value belongs there"
            document.mistakes.append(Mistake(origin, message, f"Such as {name} = {example}.", key))
        else:
            document.layer[key] = Given(value, origin, document.path.parent)


def _open_secrets(document: Document, mode: int) -> Iterator[Mistake]:
    """Secrets that stand in a file which others can read."""
    if not is_open_to_others(mode):
        return
    for key, what in (("link", "a share link"), ("socks5", "a password")):
        given = document.layer.get(key)
        if given is not None and (key == "link" or holds_password(given.value)):
            message = (
                f"{given.origin}: {what} stands in a file that is open to others (mode {mode & 0o7777:04o})"
            )
            yield Mistake(given.origin, message, f"chmod 600 '{document.path}'", key)


def _not_toml(path: Path, text: str, error: BaseException) -> ConfigError:
    """Say where and why a file is not TOML. tomllib's messages repeat keys at most."""
    said = (
        str(error)
        if isinstance(error, tomllib.TOMLDecodeError)
        else "it is nested too deeply, or a number too long"
    )
    found = _AT_LINE.search(said)
    reason = said[: found.start()] if found is not None else said
    line = text.count("\n", 0, len(text.rstrip())) + 1
    if found is not None and found[1]:
        line = int(found[1])
    written_line = text.split("\n")[line - 1] if line <= text.count("\n") + 1 else ""
    twice = _DECLARED.match(reason)
    key = _KEY.match(written_line)
    hint = ""
    if twice is not None:
        name = cut(twice[1].replace("'", "").replace(", ", "."))
        reason, hint = f"the table [{name}] stands twice", "Join its two parts."
    elif reason == "Cannot overwrite a value":
        what = repr(cut(key[1])) if key is not None else "a key"
        reason, hint = f"{what} stands twice", "Take one of them out."
    else:
        reason = f"this is not TOML: {reason[:1].lower()}{reason[1:]}"
        if found is not None and found[2]:
            reason += f" (column {found[2]})"
        if "nvalid value" in reason or "after a statement" in reason:
            hint = 'Texts, times and sizes stand in quotes, such as listen = "127.0.0.1:4433".'
    return ConfigError(f"{path}:{line}: {reason}", hint=hint, setting=str(path))
