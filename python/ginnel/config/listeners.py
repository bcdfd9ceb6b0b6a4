"""The setting `socks5`: where a client listens, as one address, several, or tables with a password."""

import json
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from ginnel.config.address import parse_listen
from ginnel.config.files import read_text
from ginnel.config.kinds import Kind
from ginnel.config.mistakes import EntryMistake, Unusable, cut, did_you_mean, written
from ginnel.config.values import MAX_CREDENTIAL_BYTES, MAX_LISTENERS, Socks5Config
from ginnel.errors import ConfigError

DEFAULT_HOST = "127.0.0.1"
_KEYS = ("listen", "username", "password", "password_file")
_RIGHT = (
    'Such as "127.0.0.1:1080", or { listen = "127.0.0.1:1080", username = "me", password_file = "password" }.'
)


def _mistake(message: str, place: tuple[str | int, ...], hint: str = "") -> EntryMistake:
    return EntryMistake("socks5", message, place, hint)


class Listeners(Kind):
    """Listeners for SOCKS5. A password may stand in a file of its own, of which the first line counts."""

    example = '"127.0.0.1:1080"'

    def read(self, value: object, name: str) -> tuple[Socks5Config, ...]:
        """Read an address, a table, or a list of both. Paths are left as they are: see `read_from`."""
        return self.read_from(value, name, None)

    def read_text(self, text: str, name: str) -> tuple[Socks5Config, ...]:
        """Read addresses with blanks or commas between them."""
        words: list[object] = list(text.replace(",", " ").split())
        return self.read(words[0] if len(words) == 1 else words, name)

    def read_from(self, value: object, name: str, base: Path | None) -> tuple[Socks5Config, ...]:
        """Read, with `base` as the directory that relative paths count from."""
        entries = value if isinstance(value, list) else [value]
        if not 1 <= len(entries) <= MAX_LISTENERS:
            what = "names no listener" if not entries else f"has {len(entries)} listeners"
            raise Unusable(name, value, what, f"Allowed: 1 to {MAX_LISTENERS}. {_RIGHT}")
        return tuple(
            self._entry(entry, name, (number,) if isinstance(value, list) else (), base)
            for number, entry in enumerate(entries)
        )

    def spell(self, value: tuple[Socks5Config, ...]) -> str:
        """Write addresses as a list; passwords are not repeated."""
        listed = [json.dumps(str(listener)) for listener in value]
        return listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"

    def show(self, value: tuple[Socks5Config, ...]) -> str:
        """Write addresses in a row."""
        return ", ".join(map(str, value))

    def schema(self) -> dict[str, Any]:
        """An address, a table, or a list of both."""
        text = {"type": "string", "minLength": 1}
        port = {"type": "integer", "minimum": 0, "maximum": 65535}
        table = {
            "type": "object",
            "properties": {
                "listen": {"anyOf": [text, port]},
                "username": {**text, "maxLength": MAX_CREDENTIAL_BYTES},
                "password": {**text, "maxLength": MAX_CREDENTIAL_BYTES, "writeOnly": True},
                "password_file": text,
            },
            "required": ["listen"],
            "additionalProperties": False,
        }
        one = [text, port, table]
        return {
            "anyOf": [
                *one,
                {"type": "array", "items": {"anyOf": one}, "minItems": 1, "maxItems": MAX_LISTENERS},
            ]
        }

    def _entry(self, entry: object, name: str, place: tuple[int, ...], base: Path | None) -> Socks5Config:
        shown = "".join([name, *(f"[{number}]" for number in place)])
        table = entry if isinstance(entry, dict) else {"listen": entry}
        for key in table:
            if key not in _KEYS:
                message = f"unknown key {cut(key)!r} in {shown}.{did_you_mean(key, _KEYS)}"
                raise _mistake(message, (*place, key), f"Known: {', '.join(_KEYS)}.")
        if "listen" not in table:
            raise _mistake(f"{shown} has no listen", place, _RIGHT)
        where: tuple[str | int, ...] = (*place, "listen") if isinstance(entry, dict) else place
        listen = table["listen"]
        if type(listen) not in (str, int):
            raise _mistake(f"{shown} is not an address", where, _RIGHT)
        try:
            address = parse_listen(
                listen if isinstance(listen, str) else written(listen),
                default_host=DEFAULT_HOST,
                setting=shown,
            )
        except ConfigError as error:
            raise _mistake(str(error), where, error.hint) from None
        username, password = (
            self._text(table, "username", place, shown),
            self._text(table, "password", place, shown),
        )
        if "password_file" in table:
            if password is not None:
                raise _mistake(f"{shown} has both password and password_file", (*place, "password_file"))
            password = _first_line(table["password_file"], (*place, "password_file"), shown, base)
        try:
            return Socks5Config.build(
                address=address,
                username=username,
                password=None if password is None else SecretStr(password),
            )
        except ConfigError as error:
            raise _mistake(f"{shown}: {error}", place, error.hint) from None

    def _text(self, table: dict[str, Any], key: str, place: tuple[int, ...], shown: str) -> str | None:
        value = table.get(key)
        if value is not None and not isinstance(value, str):
            raise _mistake(f"{shown}.{key} is not a string", (*place, key), "Put it in quotes.")
        return value


def _first_line(given: object, place: tuple[str | int, ...], shown: str, base: Path | None) -> str:
    """The password in a file: its first line."""
    if not isinstance(given, str) or not given.strip() or "\0" in given:
        raise _mistake(f"{shown}.password_file is not a path", place, 'Such as "password".')
    try:
        text = read_text(Path(given), base, f"{shown}.password_file", maximum_bytes=4096)
    except ConfigError as error:
        raise _mistake(str(error), place, error.hint) from None
    return text.splitlines()[0] if text else ""


def holds_password(value: object) -> bool:
    """Whether a password stands in the value itself."""
    entries = value if isinstance(value, list) else [value]
    return any(isinstance(entry, dict) and "password" in entry for entry in entries)
