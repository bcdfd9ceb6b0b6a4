"""What this machine's clock says, and what can be told of it without asking anybody.

A server answers the first handshake of a client only when their clocks agree to two minutes (PROTOCOL.md), and
answers nobody why not: so whoever gets no answer is told what the clock here says.
"""

import datetime

MADE = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
"""When this source was made, at the earliest: a clock that shows less is wrong. To be moved on with each release."""
SKEW_SECONDS = 120
"""How far a client's clock may be off when it connects for the first time."""
SET_CLOCK = "timedatectl set-ntp true"
"""What sets a clock right on most systems."""


def complaint(now: datetime.datetime | None = None) -> str:
    """What is certainly wrong with this machine's clock; empty where nothing is."""
    now = now or _now()
    if now >= MADE:
        return ""
    return (
        f"this machine's clock is wrong: it says {_shown(now)}, and this ginnel was made after {_shown(MADE)};"
        f" a server does not answer a client whose clock is off by more than 2 minutes:  {SET_CLOCK}"
    )


def hint(now: datetime.datetime | None = None) -> str:
    """What whoever got no answer should know of this machine's clock."""
    now = now or _now()
    wrong = complaint(now)
    if wrong:
        return f"{wrong[0].upper()}{wrong[1:]}"
    return f"Or this machine's clock is more than 2 minutes off the server's: here it is {_shown(now)}."


def off(seconds: float) -> str:
    """Say how far this machine's clock is ahead of the server's (negative: behind), and what follows from it."""
    which = "ahead of" if seconds > 0 else "behind"
    return (
        f"this machine's clock is {_span(abs(seconds))} {which} the server's; beyond 2 minutes a new start of the"
        f" client is not answered:  {SET_CLOCK}"
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _shown(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _span(seconds: float) -> str:
    """Write a time in its two largest units: `3 min 20 s`."""
    rest, parts = round(seconds), []
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        parts.append((count, unit))
    first = next((at for at, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count:,} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"
