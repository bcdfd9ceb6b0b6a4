"""How a value that cannot be used is told: its name, what was written, what is wrong with it, what would be right."""

import datetime
import difflib
import json
from collections.abc import Iterable

from ginnel.config.secret import MASK
from ginnel.errors import ConfigError

SHOWN_CHARACTERS = 60
"""So much of a bad value is repeated."""
_SCHEME = "ginnel:"
LINK_HINT = "It belongs in `link`, in the file that `link_file` names, or after `ginnel client`."
CREDENTIALS_HINT = (
    'They have settings of their own: socks5 = { listen = "127.0.0.1:1080", username = "…", '
    'password_file = "…" }.'
)


class Unusable(ConfigError):
    """A value that cannot be used; `what` is wrong with it, whatever its name and place are."""

    def __init__(self, setting: str, value: object, what: str, hint: str) -> None:
        what, hint = _secret_in(value) or (what, hint)
        super().__init__(f"{setting} = {quoted(value)} {what}", hint=hint, setting=setting)
        self.what = what


class EntryMistake(ConfigError):
    """A mistake in one of several values of a setting; `place` is the way to it below the setting."""

    def __init__(self, setting: str, message: str, place: tuple[str | int, ...], hint: str = "") -> None:
        super().__init__(message, hint=hint, setting=setting)
        self.place = place


def quoted(value: object) -> str:
    """Repeat a value as Python writes it, cut short, and without any piece of a secret."""
    if isinstance(value, str):
        return repr(cut(value))
    return written(value)


def written(value: object) -> str:
    """Repeat a value as TOML writes it, cut short, and without any piece of a secret."""
    match value:
        case str():
            return json.dumps(cut(value), ensure_ascii=False)
        case bool():
            return "true" if value else "false"
        case int():
            return str(value) if value.bit_length() <= 128 else "(a very large number)"
        case float():
            return str(value)
        case datetime.date() | datetime.time():
            return value.isoformat()
        case list():
            return "[…]" if value else "[]"
        case _:
            return "{…}"


def is_link(text: str) -> bool:
    """Whether a share link is in a text, also one whose slashes a path has joined."""
    return _SCHEME in text.lower()


def cut(text: str) -> str:
    """Cut a text that an error repeats. A share link is not repeated at all, nor what stands before an @."""
    if is_link(text):
        return MASK
    if "@" in text:
        text = f"{MASK}@{text.rpartition('@')[2]}"
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"


def _secret_in(value: object) -> tuple[str, str] | None:
    """What is wrong with a value in which a secret is, and where that belongs."""
    if not isinstance(value, str):
        return None
    if is_link(value):
        return "is a share link", LINK_HINT
    if ":" in value.rpartition("@")[0]:
        return "has a user name and a password in it", CREDENTIALS_HINT
    return None


def did_you_mean(word: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """Guess what was meant: ` Did you mean 'listen'?`, or nothing."""
    names = list(known)
    # The last part of a path may be right, and its table wrong or forgotten.
    near = [name for name in names if name.rsplit(".", 1)[-1] == word.rsplit(".", 1)[-1]]
    near = near or difflib.get_close_matches(word[:100], names, n=1, cutoff=likeness)
    return f" Did you mean {near[0]!r}?" if near else ""
