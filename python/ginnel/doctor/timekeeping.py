"""Whether this machine's clock is right: a server answers no client whose clock is off by more than two minutes."""

import contextlib
import ctypes
from collections.abc import Iterator

from ginnel.config import clock
from ginnel.doctor.finding import Finding

_TIMEX_BYTES = 512
"""More than struct timex has anywhere (adjtimex(2)): 208."""
_UNSYNCHRONISED = 5
"""TIME_ERROR: nobody keeps the clock right."""


def read() -> bool | None:
    """Whether somebody keeps the clock right; None where the system does not say."""
    with contextlib.suppress(OSError, AttributeError):
        # All zero: look, and change nothing.
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
        return None if state < 0 else state != _UNSYNCHRONISED
    return None


def check(complaint: str, kept: bool | None) -> Iterator[Finding]:
    """Judge the clock; `complaint` says what is certainly wrong with it."""
    if complaint:
        yield Finding("clock", "problem", complaint.partition(":  ")[0], clock.SET_CLOCK)
    elif kept:
        yield Finding("clock", "ok", "it is kept right by a time service")
    else:
        found = "no time service is known to keep it right; more than 2 minutes off, a client gets no answer"
        yield Finding("clock", "note", found, clock.SET_CLOCK)
