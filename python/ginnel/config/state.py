"""What a server remembers between two starts, and the directory that keeps it.

The directory (mode 0700) holds `server.json` (0600: keys, ports, profile, session), `users.sqlite3` (users and what
they used, see `roster`), `lock` (held by the running server), `control` (its socket) and `replay` (the engine's:
handshakes that must not be accepted twice). `server.json` is replaced as a whole, so that a crash at any moment leaves
the old one or the new one. A `server.json` of this version never stands there without `users.sqlite3`: that one is made
first.
"""

import contextlib
import errno
import fcntl
import json
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationError

from ginnel.config.carrier import CARRIERS
from ginnel.config.database import BUSY_SECONDS
from ginnel.config.mistakes import is_link
from ginnel.config.ports import Ports
from ginnel.config.private import check_private, told
from ginnel.config.profile import Profile
from ginnel.config.roster import MAX_GENERATION, MAX_USERS, USER_NAME, Roster, User
from ginnel.config.secret import MASK, Secret
from ginnel.config.sharelink import Session
from ginnel.config.value import Value, explain
from ginnel.errors import ConfigError, StateError, StateInUse

MAX_FILE_BYTES = 4 * 1024 * 1024
"""A longer state file is refused unread; one of version 1 with `MAX_USERS` fits in a third of it."""
VERSION: Literal[5] = 5
"""Of `server.json`. Version 1 kept the users too, 1 and 2 had one port and no profile, 1 to 3 no session, and 1 to 4
one place that links name and a profile without `printable`; they are brought up to date when such a file is first
read."""

_FILE, _USERS, _LOCK, _REPLAY, _CONTROL = "server.json", "users.sqlite3", "lock", "replay", "control"


def _from_hex(value: Any) -> Any:
    return Secret(bytes.fromhex(value)) if isinstance(value, str) else value


# Revealed here and nowhere else: this file is where the keys live.
StoredSecret = Annotated[
    Secret,
    BeforeValidator(_from_hex),
    PlainSerializer(lambda secret: secret.reveal().hex(), when_used="json"),
]


def _from_text(value: Any) -> Any:
    return Ports.parse(value, setting="ports") if isinstance(value, str) else value


def _from_one(value: Any) -> Any:
    """Before version 5 there was one place, or none. What JSON has as a list is a tuple here."""
    if value is None or isinstance(value, str):
        return () if value is None else (value,)
    return tuple(value) if isinstance(value, list) else value


class _FirstUser(Value):
    """A user, as version 1 wrote it."""

    name: Annotated[str, Field(pattern=rf"\A{USER_NAME}\z")]
    generation: Annotated[int, Field(ge=1, le=MAX_GENERATION)] = 1


def _check_unique(users: tuple[_FirstUser, ...]) -> tuple[_FirstUser, ...]:
    if len({user.name for user in users}) != len(users):
        raise ValueError("two users have the same name")
    return users


class _Kept(Value):
    """What every version of the file has."""

    version: int
    psk: StoredSecret
    previous_psk: Annotated[
        Secret | None,
        BeforeValidator(_from_hex),
        PlainSerializer(lambda secret: secret and secret.reveal().hex(), when_used="json"),
    ] = None
    private_key: StoredSecret
    reachable: Annotated[
        tuple[Annotated[str, Field(max_length=4096)], ...],
        BeforeValidator(_from_one),
        Field(max_length=len(CARRIERS)),
    ] = ()
    """Each `[CARRIER://]HOST:PORTS` that the last start put into its share links."""


class _Shaped(_Kept):
    """What every version from 3 on has."""

    ports: Annotated[
        Ports | None,
        BeforeValidator(_from_text),
        PlainSerializer(lambda ports: ports and str(ports), when_used="json"),
    ] = None
    """UDP ports that were drawn or given, for the next start. Those of raw TCP are given at each start."""
    profile: Profile
    """The deployment's: how server and clients shape what they send, unless they are told otherwise."""


class ServerState(_Shaped):
    """All that a server must remember, but for its users."""

    version: Literal[5] = VERSION
    session: Session = "quic"
    """What the last start, or a reload since, was told that share links ask for."""

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The deployment's secrets that are accepted, the current one first."""
        return (self.psk,) if self.previous_psk is None else (self.psk, self.previous_psk)

    def replaced(self, **changes: Any) -> "ServerState":
        """Return a copy with some fields changed and all of them checked."""
        return ServerState.build(
            **{**{name: getattr(self, name) for name in type(self).model_fields}, **changes}
        )


class _ThirdState(_Shaped):
    """The same as version 3 wrote it."""

    version: Literal[3]

    def moved(self) -> ServerState:
        """Return it as it is written now: with all fields of the profile.

        The one that is new is drawn from the secret, as clients draw it whose links do not carry it.
        """
        names = type(self).model_fields.keys() - {"version", "profile"}
        return ServerState.build(
            **{name: getattr(self, name) for name in names}, profile=self.profile.completed(self.psk)
        )


class _FourthState(_ThirdState):
    """The same as version 4 wrote it."""

    version: Literal[4]  # type: ignore[assignment]  # each version has its number
    session: Session = "quic"


class _OldState(_Kept):
    """The same as versions 1 and 2 wrote it."""

    version: Literal[1, 2]
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    users: Annotated[tuple[_FirstUser, ...], Field(max_length=MAX_USERS), AfterValidator(_check_unique)] = ()
    """Of version 1; those of version 2 are in the roster."""

    def moved(self) -> ServerState:
        """Return it as it is written now: without the users, and with a profile.

        That is drawn from the secret, as clients draw theirs whose links are as old and carry none.
        """
        names = _Kept.model_fields.keys() - {"version"}
        return ServerState.build(
            **{name: getattr(self, name) for name in names},
            ports=None if self.port is None else Ports.one(self.port),
            profile=Profile.derive(self.psk),
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
    """The directory that was given, else the default. Raises ConfigError for an empty name, and for a share link."""
    if given is None:
        return default_state_directory()
    if is_link(os.fspath(given)):
        raise ConfigError(
            "state is a share link, and no directory",
            hint="A share link goes after `ginnel client`.",
            setting="state",
        )
    # Path("") would mean the working directory, which nobody who wrote it had in mind.
    if not os.fspath(given).strip():
        raise ConfigError(
            "state is empty",
            hint="Name a directory of its own, or leave it out for the default.",
            setting="state",
        )
    return Path(given)


_KEYLIKE = re.compile(r"[0-9a-fA-F]{12,}")


class StateDirectory:
    """The state directory. Every method raises StateError for what it cannot use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @property
    def replay_file(self) -> Path:
        """Where the engine remembers accepted handshakes."""
        return self.path / _REPLAY

    @property
    def control_socket(self) -> Path:
        """Where the running server can be asked."""
        return self.path / _CONTROL

    def create(self) -> None:
        """Make the directory, only for this user, unless it exists."""
        with told("make", self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                self.path.mkdir(mode=0o700)
        self._check_directory()

    def read(self) -> ServerState | None:
        """Return what is remembered, or None where no server has run yet. An old file is brought up to date first."""
        found = self._read()
        if found is not None and not isinstance(found, ServerState):
            with self._locked() as directory:
                return self._moved(directory)
        return found

    def roster(self, *, create: bool = False, patience: float = BUSY_SECONDS) -> Roster:
        """Open the users. `create`: where no server has run yet, there are none."""
        self._check_directory()
        return Roster(self.path / _USERS, create=create, patience=patience)

    def update(self, change: Callable[[ServerState | None], ServerState]) -> ServerState:
        """Read, change and write back, while no other process does the same; return what was written."""
        self.create()
        with self._locked() as directory:
            before = self._moved(directory)
            after = change(before)
            if after != before:
                self._write(after, directory)
            return after

    def acquire(self) -> None:
        """Claim the directory for one running server; StateInUse when another has it."""
        self.create()
        path = self.path / _LOCK
        # O_NONBLOCK: a pipe in the file's place must not hold us up; the check then refuses it.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        with _told_of_links(path), told("lock", self.path):
            descriptor = os.open(path, flags, 0o600)
        try:
            check_private(path, os.fstat(descriptor), stat.S_ISREG, 0o600)
        except StateError:
            os.close(descriptor)
            raise
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
            with told("lock", self.path):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        except StateError:
            os.close(descriptor)
            raise
        self._lock = descriptor

    def reads_roster(self, process: int) -> bool:
        """Whether the process has open the very database that stands here, and not one that was replaced."""
        try:
            status = (self.path / _USERS).stat()
            descriptors = list(Path(f"/proc/{process}/fd").iterdir())
        except OSError:
            return False
        for descriptor in descriptors:
            with contextlib.suppress(OSError):
                if os.path.samestat(descriptor.stat(), status):
                    return True
        return False

    def holder(self) -> int | None:
        """Return the process id of the server that runs with this state, if one does. Takes no lock for it."""
        lock = self.path / _LOCK
        try:
            held = lock.stat()
            process = int(lock.read_text()[:20])
            descriptors = list(Path(f"/proc/{process}/fd").iterdir())
        except (OSError, ValueError):
            return None
        for descriptor in descriptors:
            with contextlib.suppress(OSError):
                if os.path.samestat(descriptor.stat(), held):
                    return process
        return None

    def release(self) -> None:
        """Give the claim up. Closing the descriptor unlocks; the file stays, or two servers could race for it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _read(self) -> "ServerState | _ThirdState | _OldState | None":
        if not self.path.exists():
            return None
        self._check_directory()
        path = self.path / _FILE
        try:
            with _told_of_links(path), told("read", self.path):
                # O_NONBLOCK: a pipe in the file's place must not hold us up; the check then refuses it.
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except StateError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise
        try:
            # Looked at once it is open: what is checked is what is read.
            check_private(path, os.fstat(descriptor), stat.S_ISREG, 0o600)
            with told("read", self.path), open(descriptor, "rb", closefd=False) as file:
                text = file.read(MAX_FILE_BYTES + 1)
        finally:
            os.close(descriptor)
        return _parse(path, text)

    def _moved(self, directory: int) -> ServerState | None:
        """Return what is remembered, brought up to date; users of a version 1 go to the roster. Only under the lock.

        A crash in between leaves version 1 in place, and the next one moves them again: those that are in the roster
        already stay as they are there.
        """
        found = self._read()
        if found is None or isinstance(found, ServerState):
            return found
        if isinstance(found, _OldState) and found.version == 1:
            roster = self.roster(create=True)
            try:
                roster.take_over(User(user.name, user.generation) for user in found.users)
            finally:
                roster.close()
        after = found.moved()
        self._write(after, directory)
        return after

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """Keep other processes from changing the state; gives a descriptor of the directory."""
        with told("lock", self.path):
            # A lock of milliseconds, on the directory itself: `lock` is held for as long as a server runs.
            directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with told("lock", self.path):
                fcntl.flock(directory, fcntl.LOCK_EX)
            yield directory
        finally:
            os.close(directory)

    def _write(self, state: ServerState, directory: int) -> None:
        with told("write", self.path):
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
        with told("look at", self.path):
            status = self.path.stat()
        check_private(self.path, status, stat.S_ISDIR, 0o700)


@contextlib.contextmanager
def _told_of_links(path: Path) -> Iterator[None]:
    """Say what O_NOFOLLOW refuses; the system's own word for it is "too many levels of symbolic links"."""
    try:
        yield
    except StateError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.ELOOP:
            check_private(path, path.lstat(), stat.S_ISREG, 0o600)
        raise


def _parse(path: Path, text: bytes) -> ServerState | _ThirdState | _OldState:
    """Read the file's text. The errors name the line or field, never what stands there."""
    hint = "Restore it from a copy, or move it away to start anew: share links made so far then stop working."
    if len(text) > MAX_FILE_BYTES:
        raise StateError(f"{path} is too long: more than {MAX_FILE_BYTES:,} bytes", hint=hint, path=str(path))
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise StateError(f"{path}{line} is damaged: it is not JSON", hint=hint, path=str(path)) from None
    version = data.get("version") if isinstance(data, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise StateError(
            f"{path} was written by a newer ginnel (format {version}; this one reads {VERSION})",
            hint="Update ginnel on this machine.",
            path=str(path),
        )
    forms: dict[int, type[_OldState | _ThirdState]] = {
        1: _OldState,
        2: _OldState,
        3: _ThirdState,
        4: _FourthState,
    }
    form: type[ServerState | _ThirdState | _OldState] = ServerState
    if isinstance(version, int):
        form = forms.get(version, ServerState)
    try:
        # From JSON, where a list stands for a tuple.
        return form.model_validate_json(text)
    except ValidationError as error:
        # What stands in a wrong place may be a key: an edit by hand that slipped.
        why = _KEYLIKE.sub(MASK, str(explain(error, tuple(form.model_fields))))
        raise StateError(f"{path} is damaged: {why}", hint=hint, path=str(path)) from None
