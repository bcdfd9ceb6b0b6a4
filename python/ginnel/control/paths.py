"""Where control sockets are, also those whose path is longer than a socket's address can be."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ginnel.config.private import check_private, told

MAX_ADDRESS_BYTES = 107
"""Of a path in the address of a Unix socket (unix(7): 108 with the zero at its end)."""
_PREFIX, _SUFFIX = "client-", ".control"


def runtime_directory() -> Path:
    """Where clients put their sockets: `$XDG_RUNTIME_DIR/ginnel`, else `/run/ginnel` for root, else in the state."""
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    # The XDG base directory specification: absolute, and the user's own. After `su` it is somebody else's.
    if given.startswith("/") and _is_ours(Path(given)):
        return Path(given) / "ginnel"
    if os.geteuid() == 0:
        return Path("/run/ginnel")
    return Path.home() / ".local" / "state" / "ginnel" / "run"


def client_socket(process: int) -> Path:
    """Return the path of the socket of the client with that process id."""
    return runtime_directory() / f"{_PREFIX}{process}{_SUFFIX}"


def client_process(path: Path) -> int:
    """Return the process id in the name of a client's socket; 0 when there is none."""
    number = path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else 0


def client_sockets() -> list[Path]:
    """Return the sockets of all clients of this user, also those that a killed one left behind."""
    with contextlib.suppress(OSError):
        return sorted(
            path
            for path in runtime_directory().iterdir()
            if path.name.startswith(_PREFIX) and path.name.endswith(_SUFFIX)
        )
    return []


def make_directory(directory: Path) -> None:
    """Make the directory of a socket, for this user alone, unless it exists. StateError when that cannot be."""
    with told("make the directory of", directory):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.stat()
    check_private(directory, status, stat.S_ISDIR, 0o700)


@contextlib.contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """Give an address for `bind` or `connect`: short, however long the path is. Raises OSError."""
    text = str(path)
    if len(os.fsencode(text)) <= MAX_ADDRESS_BYTES:
        yield text
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def _is_ours(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.geteuid()
    except OSError:
        return False
