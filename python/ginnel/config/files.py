"""Reading the files that a person writes: bounded, and with a clear word for whatever else stands in their place."""

import os
import stat
from pathlib import Path

from ginnel.config.kinds import resolve
from ginnel.config.mistakes import cut
from ginnel.errors import ConfigError

MAX_FILE_BYTES = 1_000_000
"""A longer configuration file is refused unread."""
_OTHERS = 0o077  # mode bits that let anybody else in


def read_text(path: Path, base: Path | None, setting: str, *, maximum_bytes: int = MAX_FILE_BYTES) -> str:
    """Return what stands in a file; a relative path counts from `base`. ConfigError says why it cannot be read."""
    return read_file(resolve(path, base, setting), maximum_bytes=maximum_bytes)[0]


def read_file(path: Path, *, maximum_bytes: int = MAX_FILE_BYTES) -> tuple[str, int]:
    """Return a file's text (UTF-8) and its mode. Raises ConfigError that says why it cannot be read."""
    try:
        # O_NONBLOCK: a pipe in the file's place must not hold us up; the check then refuses it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}", setting=str(path)) from error
    except ValueError as error:  # a null character
        raise ConfigError(f"{cut(str(path))!r} is not a path", setting=str(path)) from error
    try:
        # Looked at once it is open: what is checked is what is read.
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise ConfigError(
                f"{path} is {_kind(mode)}, not a file",
                hint="Name a regular file."
                if not stat.S_ISDIR(mode)
                else f"Name a file in it:  {path}/NAME.toml",
                setting=str(path),
            )
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(maximum_bytes + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}", setting=str(path)) from error
    finally:
        os.close(descriptor)
    if len(data) > maximum_bytes:
        raise ConfigError(f"{path} is too long: more than {maximum_bytes:,} bytes", setting=str(path))
    try:
        return data.decode("utf-8-sig"), mode
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}:{line}: this is not UTF-8", hint="Save the file as UTF-8 text.", setting=str(path)
        ) from None


def is_open_to_others(mode: int) -> bool:
    """Whether anybody but the owner can read or write a file of this mode."""
    return bool(mode & _OTHERS)


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a directory"
    return "a pipe" if stat.S_ISFIFO(mode) else "a device or a socket"
