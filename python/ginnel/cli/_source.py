"""Where a command's share link comes from: an argument, a file, standard input or the environment."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ginnel.config.mistakes import CREDENTIALS_HINT, cut
from ginnel.config.sharelink import MAX_TEXT, SCHEME, ShareLink
from ginnel.errors import ConfigError

VARIABLE = "GINNEL_LINK"

_WHERE = (
    "As an argument, a file, - for standard input, or in $GINNEL_LINK.\n"
    "The server prints its link when it starts; `ginnel link` on the server prints it again."
)


def resolve_link(pieces: Sequence[str]) -> ShareLink:
    """Find and read the share link. Raises ConfigError (ShareLinkError) that says where to get one.

    $GINNEL_LINK is removed from the environment, used or not, so that no child process gets it.
    """
    from_environment = os.environ.pop(VARIABLE, "")
    if not pieces:
        if from_environment.strip():
            return ShareLink.parse(from_environment)
        raise ConfigError("no share link given", hint=_WHERE)
    first = pieces[0].strip()
    if not first:
        raise ConfigError("the share link is empty", hint=_WHERE)
    if SCHEME in first.lower():
        return ShareLink.parse(" ".join(pieces))
    if len(pieces) > 1:
        raise ConfigError("more than one share link given", hint="One at a time; quote a path with blanks.")
    if first == "-":
        text = sys.stdin.read(MAX_TEXT + 1)
        if not text.strip():
            raise ConfigError("standard input is empty", hint="Such as:  ginnel client - < link.txt")
        return ShareLink.parse(text)
    try:
        path = Path(first).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f"{cut(first)!r} begins with the home directory of a user that this machine does not know",
            hint="Write ~/FILE for your own home directory, or ./~FILE for a name that begins with ~.",
        ) from error
    return ShareLink.parse(_read(path))


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(MAX_TEXT + 1)
    except OSError as error:
        # The path is not repeated when it could be a link that lost its beginning.
        shown = f"{cut(str(path))!r}" if len(str(path)) <= 100 else "the argument"
        raise ConfigError(
            f"{shown} is neither a share link nor a file that can be read: {error.strerror}",
            hint=f"A share link begins with {SCHEME}"
            + (f"\nA user name and a password? {CREDENTIALS_HINT}" if "@" in str(path) else ""),
        ) from error
