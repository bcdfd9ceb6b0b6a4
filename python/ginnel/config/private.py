"""Files that are for their owner alone: how they are looked at, and how the system's refusals are told."""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from ginnel.errors import StateError

_OTHERS = 0o077  # mode bits that let anybody else in
_KINDS: dict[Callable[[int], bool], str] = {
    stat.S_ISDIR: "directory",
    stat.S_ISREG: "regular file",
    stat.S_ISSOCK: "socket",
}


def check_private(path: Path, status: os.stat_result, kind: Callable[[int], bool], mode: int) -> None:
    """Refuse what is of another kind, belongs to somebody else or is open to others; `mode` would be right."""
    if not kind(status.st_mode):
        is_link = ": it is a symbolic link" if stat.S_ISLNK(status.st_mode) else ""
        raise StateError(
            f"{path} is not a {_KINDS[kind]}{is_link}",
            hint="Move it away, or give ginnel another place:  --state DIR",
            path=str(path),
        )
    if status.st_uid != os.geteuid():
        raise StateError(
            f"{path} belongs to another user of this machine (uid {status.st_uid})",
            hint="Run ginnel as that user, or give it a state of its own:  --state DIR",
            path=str(path),
        )
    if status.st_mode & _OTHERS:
        raise StateError(
            f"{path} is open to others (mode {stat.S_IMODE(status.st_mode):04o}); its keys would be too",
            hint=f"chmod {mode:o} '{path}'" if not _is_here(path) else "A directory of its own:  --state DIR",
            path=str(path),
        )


@contextlib.contextmanager
def told(what: str, directory: Path) -> Iterator[None]:
    """Tell the system's refusals of `what` in the state as StateError, with what would help."""
    try:
        yield
    except OSError as error:
        raise StateError(
            f"cannot {what} the state in {directory}: {error.strerror or error}",
            hint=remedy(error.errno, directory),
            path=str(directory),
        ) from error


def remedy(number: int | None, directory: Path) -> str:
    """Say what would be right after the system refused with this errno."""
    match number:
        case errno.ENOSPC | errno.EDQUOT:
            return f"Make room there:  df -h '{directory}'\nNothing was changed."
        case errno.EROFS:
            return f"Make it writable:  findmnt -T '{directory}'\nOr another place:  --state DIR"
        case errno.EACCES | errno.EPERM:
            return f"Its owner needs all rights:  ls -la '{directory}'\nOr another place:  --state DIR"
        case _:
            return "Another place:  --state DIR"


def _is_here(path: Path) -> bool:
    """Whether it is the working directory, which is hardly meant to belong to ginnel alone."""
    try:
        return path.samefile(".")
    except OSError:
        return False
