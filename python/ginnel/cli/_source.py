"""Where a command's share link comes from: an argument, a file, standard input or the environment."""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from ginnel.config.linktext import MAX_TEXT, QUOTES, SCHEME
from ginnel.config.mistakes import CREDENTIALS_HINT, cut
from ginnel.config.sharelink import ShareLink
from ginnel.errors import ConfigError, ShareLinkError

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
    return ShareLink.parse(_text(first, "ginnel client - < link.txt"))


def resolve_links(arguments: Sequence[str]) -> list[ShareLink]:
    """Read the share links of several arguments: each a link, a file, or - for standard input.

    A file, and standard input, may hold several. Raises ConfigError (ShareLinkError) that says which one is wrong.
    """
    texts: list[str] = []
    for argument in arguments:
        text = argument
        if SCHEME not in argument.lower():
            if not argument.strip():
                raise ConfigError(
                    "the share link is empty", hint="Each a link, a file, or - for standard input."
                )
            text = _text(argument.strip(), "cat links/*.txt | ginnel join -")
        # What stands before the first scheme, but for a quotation mark, is told as what it is: no link.
        pieces = re.split(f"(?={SCHEME})", text, flags=re.IGNORECASE)
        texts += [piece for piece in pieces if piece.strip(QUOTES)] or [text]
    links = []
    for number, text in enumerate(texts, start=1):
        try:
            links.append(ShareLink.parse(text))
        except ShareLinkError as error:
            hint = f"{error.hint}\nIt is link {number} of {len(texts)}."
            raise ShareLinkError(
                str(error),
                hint=hint.lstrip(),
                position=error.position,
                length=error.length,
                expected_length=error.expected_length,
            ) from None
    return links


def _text(source: str, example: str) -> str:
    """What stands in a file, or on standard input for -."""
    if source == "-":
        text = sys.stdin.read(MAX_TEXT + 1)
        if not text.strip():
            raise ConfigError("standard input is empty", hint=f"Such as:  {example}")
        return text
    try:
        path = Path(source).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f"{cut(source)!r} begins with the home directory of a user that this machine does not know",
            hint="Write ~/FILE for your own home directory, or ./~FILE for a name that begins with ~.",
        ) from error
    return _read(path)


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
