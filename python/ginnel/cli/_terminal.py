"""What a person sees: facts, events and errors on standard error; what scripts read on standard output."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, TextIO

from ginnel.cli._lines import json_line, lines_of, one_line
from ginnel.errors import GinnelError

_AREA = "program"
"""The area of the log for what the command itself says."""
FLUSH_SECONDS = 0.5
"""So long standard error may keep the lines before a line of standard output, and the end, waiting."""
_NAME_WIDTH = 10
_VALUE_WIDTH = 24
_BOLD, _DIM, _RED, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[0m"


class Terminal:
    """The two streams of a command. `quiet` leaves only errors and standard output."""

    is_json: ClassVar[bool] = False
    """Whether standard error is a log of JSON objects, one a line, for all terminals of this process."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._err = sys.stderr
        self._colour = _is_terminal(self._err) and "NO_COLOR" not in os.environ
        self._both_shown = _is_terminal(sys.stdout) and _is_terminal(self._err)
        self.lines = lines_of(self._err)
        """Standard error, for what must never hold up the program."""

    @property
    def is_watched(self) -> bool:
        """Whether a person sees both streams: only then are secrets repeated and pictures drawn."""
        return self._both_shown and not self.is_json

    def out(self, line: str) -> None:
        """Write a line for scripts, at once: they wait for it. It comes after what was said before."""
        self.lines.flush(FLUSH_SECONDS)
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise unwritten(error) from error

    def say(self, line: str = "") -> None:
        """Write a line for people, who read no JSON."""
        if not self.quiet and not self.is_json:
            self.lines.write(line)

    def title(self, line: str) -> None:
        """Write the first line, and an empty one below."""
        self.say(f"  {self._in(_BOLD, line)}\n")

    def fact(self, name: str, value: str, note: str = "") -> None:
        """Write one fact: a name, a value, and how it came about."""
        text = (
            f"  {name:<{_NAME_WIDTH}} {value:<{_VALUE_WIDTH}}" if note else f"  {name:<{_NAME_WIDTH}} {value}"
        )
        self.say(f"{text} {self._in(_DIM, note)}" if note else text)

    def event(self, name: str, text: str, *, area: str = _AREA) -> None:
        """Write what happened, and when; `area` is that of the log."""
        if self.quiet:
            return
        if self.is_json:
            self._record("info", name, {"text": text} if text else {}, area)
        else:
            self.lines.write(self.event_line(name, one_line(text), time.time()))

    def event_line(self, name: str, text: str, when: float) -> str:
        """The line that says what happened at a time, in seconds since 1970."""
        clock = self._in(_DIM, time.strftime("%H:%M:%S", time.localtime(when)))
        return f"  {clock}  {f'{name:<{_NAME_WIDTH}} {text}'.rstrip()}"

    def note(self, message: str, **facts: object) -> None:
        """Say in JSON what is said to people in lines of their own."""
        if self.is_json and not self.quiet:
            self._record("info", message, facts)

    def warn(self, line: str, *, area: str = _AREA) -> None:
        """Write a warning, in quiet mode too."""
        if self.is_json:
            self._record("warning", line, {}, area)
        else:
            self.lines.write(f"warning: {line}")

    def error(self, error: GinnelError) -> None:
        """Write what is wrong, and below it what would be right."""
        if self.is_json:
            self._record("error", str(error), {"hint": error.hint} if error.hint else {})
            return
        hint = [f"  {line}" for line in error.hint.splitlines()]
        self.lines.write("\n".join([f"{self._in(_RED, 'error:')} {error}", *hint]))

    def _record(self, level: str, message: str, facts: Mapping[str, object], area: str = _AREA) -> None:
        self.lines.write(json_line(time.time(), level, area, message, facts))

    def _in(self, style: str, text: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._colour else text


def unwritten(error: OSError) -> GinnelError:
    """The error for standard output that takes nothing, such as a file on a full disk."""
    return GinnelError(f"cannot write to standard output: {error.strerror or error}")


def short_path(path: Path) -> str:
    """Write a path with `~` for the home directory."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)


def qr_code(link: str) -> str:
    """Draw a link as a QR code of half blocks, indented by two."""
    import io

    import segno

    # In capitals it fits QR's compact alphabet; a link means the same in either case.
    code = segno.make(link.upper(), error="l", boost_error=False, micro=False)
    picture = io.StringIO()
    code.terminal(out=picture, border=2, compact=True)
    return "\n".join(f"  {line}" for line in picture.getvalue().rstrip("\n").split("\n"))


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"
