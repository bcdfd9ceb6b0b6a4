"""What a check found, and what was asked."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was found, whether it is a problem, and what mends it."""

    area: str
    state: State
    found: str
    remedy: str = ""
    """A command, or a line of a configuration; empty where nothing is to be done. Several lines for several ways."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What this machine is to do, as far as it is known."""

    hosts: tuple[str, ...] = ()
    """The servers to reach; none: the Internet."""
    ports: str = ""
    """Those of a server here, or of the one to reach."""
    role: Literal["server", "client"] | None = None
    rawtcp: bool = False
    """Whether it cannot be done without raw TCP. If it can, what only that needs is noted and is no problem."""
    interface: str | None = None
    source: str | None = None
    """As `[rawtcp]` names them."""

    def lacking(self) -> State:
        """How bad it is that something lacks which only raw TCP needs."""
        return "problem" if self.rawtcp else "note"
