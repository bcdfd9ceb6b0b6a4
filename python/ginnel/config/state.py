"""What a server remembers between two starts, and the directory that keeps it.

The directory (mode 0700) holds `server.json` (0600: keys, users, port), `lock` (held by the running server) and
`replay` (the engine's: handshakes that must not be accepted twice). `server.json` is replaced as a whole, so that
a crash at any moment leaves the old one or the new one.
"""

import contextlib
import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationError

from ginnel.config.secret import Secret
from ginnel.config.value import Value, explain
from ginnel.errors import ConfigError, StateError, StateInUse

MAX_USERS = 10_000
"""More are refused: the user table is handed to the engine whole."""
MAX_FILE_BYTES = 4 * 1024 * 1024
"""A longer state file is refused unread; `MAX_USERS` fit in a third of it."""
USER_NAME = r"[a-z0-9._-]{1,64}"
"""What a user may be called."""

_FILE, _LOCK, _REPLAY = "server.json", "lock", "replay"
_OTHERS = 0o077  # mode bits that let anybody else in


def _from_hex(value: Any) -> Any:
    return Secret(bytes.fromhex(value)) if isinstance(value, str) else value


# Revealed here and nowhere else: this file is where the keys live.
StoredSecret = Annotated[
    Secret,
    BeforeValidator(_from_hex),
    PlainSerializer(lambda secret: secret.reveal().hex(), when_used="json"),
]


class User(Value):
    """An identity on a server. Its key follows from the server's key, the name and the generation."""

    name: Annotated[str, Field(pattern=rf"\A{USER_NAME}\z")]
    generation: Annotated[int, Field(ge=1, le=2**31)] = 1
    """A new generation is a new key; links of the old one stop working."""


def _check_unique(users: tuple[User, ...]) -> tuple[User, ...]:
    if len({user.name for user in users}) != len(users):
        raise ValueError("two users have the same name")
    return users


class ServerState(Value):
    """All that a server must remember."""

    version: Literal[1] = 1
    psk: StoredSecret
    previous_psk: Annotated[
        Secret | None,
        BeforeValidator(_from_hex),
        PlainSerializer(lambda secret: secret and secret.reveal().hex(), when_used="json"),
    ] = None
    private_key: StoredSecret
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """UDP port that was drawn or given, for the next start."""
    reachable: str | None = None
    """`HOST:PORT` that the last start put into its share links."""
    users: Annotated[tuple[User, ...], Field(max_length=MAX_USERS), AfterValidator(_check_unique)] = ()

    def user(self, name: str) -> User | None:
        """Return the user of that name."""
        return next((user for user in self.users if user.name == name), None)

    def replaced(self, **changes: Any) -> "ServerState":
        """Return a copy with some fields changed and all of them checked."""
        return ServerState.build(
            **{**{name: getattr(self, name) for name in type(self).model_fields}, **changes}
        )


def default_state_directory() -> Path:
    """`/var/lib/ginnel` for root, else `$XDG_STATE_HOME/ginnel`, else `~/.local/state/ginnel`."""
    if os.geteuid() == 0:
        return Path("/var/lib/ginnel")
    base = os.environ.get("XDG_STATE_HOME", "")
    # The XDG base directory specification: a relative path in the variable is to be ignored.
    root = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return root / "ginnel"


def state_directory(given: str | os.PathLike[str] | None) -> Path:
    """The directory that was given, else the default. Raises ConfigError for an empty name."""
    if given is None:
        return default_state_directory()
    # Path("") would mean the working directory, which nobody who wrote it had in mind.
    if not os.fspath(given).strip():
        raise ConfigError(
            "state is empty",
            hint="Name a directory of its own, or leave it out for the default.",
            setting="state",
        )
    return Path(given)


class StateDirectory:
    """A server's state directory. Every method raises StateError for what it cannot use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @property
    def replay_file(self) -> Path:
        """Where the engine remembers accepted handshakes."""
        return self.path / _REPLAY

    def create(self) -> None:
        """Make the directory, only for this user, unless it exists."""
        with self._told("make"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                self.path.mkdir(mode=0o700)
        self._check_directory()

    def read(self) -> ServerState | None:
        """Return what is remembered, or None where no server has run yet."""
        if not self.path.exists():
            return None
        self._check_directory()
        path = self.path / _FILE
        try:
            with self._told("read"):
                # O_NONBLOCK: a pipe in the file's place must not hold us up; the check then refuses it.
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except StateError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise
        try:
            # Looked at once it is open: what is checked is what is read.
            self._check_private(path, os.fstat(descriptor), stat.S_ISREG, 0o600)
            with open(descriptor, "rb", closefd=False) as file:
                text = file.read(MAX_FILE_BYTES + 1)
        finally:
            os.close(descriptor)
        return _parse(path, text)

    def update(self, change: Callable[[ServerState | None], ServerState]) -> ServerState:
        """Read, change and write back, while no other process does the same; return what was written."""
        self.create()
        with self._told("lock"):
            # A lock of milliseconds, on the directory itself: `lock` is held for as long as a server runs.
            directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            before = self.read()
            after = change(before)
            if after != before:
                self._write(after, directory)
            return after
        finally:
            os.close(directory)

    def stamp(self) -> tuple[int, int] | None:
        """Return a value that differs when the file was replaced; None when there is none."""
        try:
            status = (self.path / _FILE).stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def acquire(self) -> None:
        """Claim the directory for one running server; StateInUse when another has it."""
        self.create()
        path = self.path / _LOCK
        with self._told("lock"):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            digits = os.pread(descriptor, 20, 0)
            os.close(descriptor)
            process = int(digits) if digits.isdigit() else None
            who = f" (process {process})" if process else ""
            raise StateInUse(
                f"another ginnel server{who} uses the state in {self.path}",
                hint="Stop it, or give this one a state of its own:  ginnel server --state DIR",
                path=str(self.path),
                process=process,
            ) from None
        try:
            with self._told("lock"):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        except StateError:
            os.close(descriptor)
            raise
        self._lock = descriptor

    def release(self) -> None:
        """Give the claim up. Closing the descriptor unlocks; the file stays, or two servers could race for it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _write(self, state: ServerState, directory: int) -> None:
        with self._told("write"):
            # mkstemp makes the file with mode 0600.
            descriptor, name = tempfile.mkstemp(prefix=f".{_FILE}.", dir=self.path)
            try:
                with open(descriptor, "wb") as file:
                    file.write(state.model_dump_json(indent=2).encode() + b"\n")
                    file.flush()
                    os.fsync(descriptor)
                os.replace(name, self.path / _FILE)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name)
                raise
            os.fsync(directory)

    def _check_directory(self) -> None:
        with self._told("look at"):
            status = self.path.stat()
        self._check_private(self.path, status, stat.S_ISDIR, 0o700)

    def _check_private(
        self, path: Path, status: os.stat_result, kind: Callable[[int], bool], mode: int
    ) -> None:
        if not kind(status.st_mode):
            right = "directory" if kind is stat.S_ISDIR else "regular file"
            raise StateError(f"{path} is not a {right}", path=str(path))
        if status.st_uid != os.geteuid():
            raise StateError(
                f"{path} belongs to another user of this machine (uid {status.st_uid})",
                hint="Run ginnel as that user, or give it a state of its own:  --state DIR",
                path=str(path),
            )
        if status.st_mode & _OTHERS:
            raise StateError(
                f"{path} is open to others (mode {stat.S_IMODE(status.st_mode):04o}); its keys would be too",
                hint=f"chmod {mode:o} '{path}'"
                if not _is_here(path)
                else "A directory of its own:  --state DIR",
                path=str(path),
            )

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Tell the system's refusals as StateError."""
        try:
            yield
        except OSError as error:
            raise StateError(
                f"cannot {what} the state in {self.path}: {error.strerror or error}",
                hint="Another place:  --state DIR",
                path=str(self.path),
            ) from error


def _is_here(path: Path) -> bool:
    """Whether it is the working directory, which is hardly meant to belong to ginnel alone."""
    try:
        return path.samefile(".")
    except OSError:
        return False


def _parse(path: Path, text: bytes) -> ServerState:
    """Read the file's text. The errors name the line or field, never what stands there."""
    hint = "Restore it from a copy, or move it away to start anew: share links made so far then stop working."
    if len(text) > MAX_FILE_BYTES:
        raise StateError(f"{path} is too long: more than {MAX_FILE_BYTES:,} bytes", hint=hint, path=str(path))
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise StateError(f"{path}{line} is damaged: it is not JSON", hint=hint, path=str(path)) from None
    if isinstance(data, dict) and isinstance(data.get("version"), int) and data["version"] > 1:
        raise StateError(
            f"{path} was written by a newer ginnel (format {data['version']}; this one reads 1)",
            hint="Update ginnel on this machine.",
            path=str(path),
        )
    try:
        # From JSON, where a list stands for a tuple.
        return ServerState.model_validate_json(text)
    except ValidationError as error:
        why = explain(error, tuple(ServerState.model_fields))
        raise StateError(f"{path} is damaged: {why}", hint=hint, path=str(path)) from None
