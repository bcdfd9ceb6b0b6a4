"""What a subject is, the lab it runs in, and what it is while it runs."""

import abc
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.load import LoadProgram
from bench.places import Ends
from bench.programs import BenchError, Program, environment

SYSTEM_PATHS = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where servers are that are not in everybody's PATH."""
VERSION_TIMEOUT = 20.0


@dataclass(frozen=True)
class Lab:
    """Two places, the load program, and a directory that is removed at the end."""

    ends: Ends
    load: LoadProgram
    directory: Path
    origin: str | None = None
    """Where the load wants to go, for subjects that lead to one target only; None before there is any."""

    def home(self, name: str) -> Path:
        """A directory for one program, open to its owner alone."""
        home = self.directory / name
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return home


@dataclass(frozen=True)
class Running:
    """A subject that is ready."""

    via: str
    """How the load program goes: `direct`, or the address of a proxy."""
    server: Sequence[Program] = ()
    client: Sequence[Program] = ()
    forward: str | None = None
    """Where the load goes instead of the origin, with a subject that leads there and nowhere else."""
    engine_bytes: Callable[[], int] | None = None
    """Bytes that the subject says it holds, both ends together, where it says so."""

    def pids(self) -> list[int]:
        """Every process of both ends, with what they have started."""
        return [pid for program in (*self.server, *self.client) for pid in program.pids()]

    def check(self) -> None:
        """Raise BenchError when one of the programs has ended."""
        for program in (*self.server, *self.client):
            if not program.alive:
                raise program.failure("is gone")


class Subject(abc.ABC):
    """One way for bytes to take."""

    key: str
    """Its name in files and arguments."""
    title: str
    """Its name in tables."""
    needs: tuple[str, ...] = ()
    """Programs without which it is not installed."""
    counts_allocations = False
    """Whether the load program can count its allocations."""

    def missing(self) -> str | None:
        """Why it cannot run here; None when it can."""
        absent = [name for name in self.needs if find(name) is None]
        return f"{', '.join(absent)} not installed" if absent else None

    def version(self) -> str | None:
        """What it says about itself, in a line."""
        return None

    @abc.abstractmethod
    def running(self, lab: Lab) -> AbstractContextManager[Running]:
        """Start it, wait until it is ready, and end it after the block. Raises BenchError."""


def find(name: str) -> str | None:
    """The path of an installed program."""
    return shutil.which(name) or shutil.which(name, path=SYSTEM_PATHS)


def path_of(name: str) -> str:
    """The path of an installed program. BenchError when it is not."""
    path = find(name)
    if path is None:
        raise BenchError(f"{name} not installed")
    return path


def first_line(*command: str) -> str | None:
    """What a command says first, on either output; None when it says nothing."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=VERSION_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return next((line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()), None)


def write_secret(path: Path, text: str) -> Path:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def start_at(lab: Lab, end: str, name: str, *words: str) -> Program:
    """Start a program at the `client` or the `server` end, with a home of its own. What it says can be waited for."""
    place = lab.ends.client if end == "client" else lab.ends.server
    return Program(name, place.command(*words), environment(home_of(lab, end, name)))


def start_peer(lab: Lab, end: str, name: str, *words: str) -> Program:
    """The same for a program that does not say when it is ready: what it says goes into a file in its home."""
    place, home = lab.ends.client if end == "client" else lab.ends.server, home_of(lab, end, name)
    return Program(name, place.command(*words), environment(home), log=home / "log")


def home_of(lab: Lab, end: str, name: str) -> Path:
    """The home of a program at one end."""
    return lab.home(f"{name.replace(' ', '-')}-{end}")
