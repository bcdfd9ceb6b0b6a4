"""The first moments of the program: streams that are there, and signals that end it with the promised exit code.

Imports nothing that a bare interpreter has not loaded, `signal` neither: until its handlers are in place, a signal
ends Python in Python's own way.
"""

import _signal  # type: ignore[import-not-found]  # what `signal` is made of; typeshed does not describe it
import os
import sys

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable

SERVICES = frozenset({"server", "client", "run"})
"""Commands that end with 0 when a signal ends them."""
_RELOADS = "run"
_INTERRUPTED, _TERMINATED = 128 + 2, 128 + 15  # as a shell counts SIGINT and SIGTERM


def open_missing_streams() -> None:
    """Put the null device in the place of each standard stream that was closed before the start."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - for good


def leave_on_signals(arguments: list[str]) -> None:
    """End the process at SIGINT and SIGTERM, at once: there is nothing to lose before a command takes them over.

    A state file is written whole or not at all. A signal that the parent chose to ignore stays ignored, but for the
    services, which promise to obey both.
    """
    words = [word for word in arguments if word != "--debug"]
    is_service = bool(words) and words[0] in SERVICES
    if words[:1] == [_RELOADS]:
        # It means "read the file again", and there is nothing to read again before the program has begun.
        _signal.signal(_signal.SIGHUP, _signal.SIG_IGN)
    elif is_service and _signal.getsignal(_signal.SIGHUP) != _signal.SIG_IGN:
        _signal.signal(_signal.SIGHUP, _leave_with(0))
    for number, code in ((_signal.SIGINT, _INTERRUPTED), (_signal.SIGTERM, _TERMINATED)):
        if is_service or _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, _leave_with(0 if is_service else code))


def wants_json(arguments: list[str]) -> bool:
    """Whether a service is to say everything as JSON, as far as arguments and environment tell before they are read."""
    words = [word for word in arguments if word != "--debug"]
    if not words or words[0] not in SERVICES:
        return False
    form = os.environ.get("GINNEL_LOG_FORMAT", "")
    for word, value in zip(words, [*words[1:], ""], strict=True):
        name, given, rest = word.partition("=")
        if name == "--log-format":
            form = rest if given else value
    return form.strip().lower() == "json"


def ignore_signals() -> None:
    """Let nothing change the exit code any more: the interpreter takes handlers away before its end."""
    for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
        _signal.signal(number, _signal.SIG_IGN)


def _leave_with(code: int) -> "Callable[..., None]":
    def leave(*_: object) -> None:
        os._exit(code)

    return leave
