"""The state directory: what it keeps, how it writes, what it refuses."""

import contextlib
import errno
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ginnel.config.ports import Ports
from ginnel.config.profile import Profile
from ginnel.config.roster import MAX_USERS, User
from ginnel.config.secret import Secret
from ginnel.config.state import (
    MAX_FILE_BYTES,
    ServerState,
    StateDirectory,
    default_state_directory,
    state_directory,
)
from ginnel.errors import ConfigError, StateError, StateInUse

PROFILE = Profile.derive(Secret(bytes(32)))


def some_state(**changes: Any) -> ServerState:
    fields: dict[str, Any] = {
        "psk": Secret(bytes(32)),
        "private_key": Secret(bytes(range(32))),
        "ports": Ports.one(38411),
        "profile": PROFILE,
    }
    return ServerState.build(**{**fields, **changes})


@pytest.fixture
def directory(state: Path) -> StateDirectory:
    """A directory with something in it."""
    directory = StateDirectory(state)
    directory.update(lambda _: some_state())
    return directory


def refusal(directory: StateDirectory) -> StateError:
    with pytest.raises(StateError) as caught:
        directory.read()
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    "kept",
    [
        some_state(),
        some_state(
            previous_psk=Secret(bytes([7] * 32)),
            reachable=("a.example:1", "rawtcp://a.example:2"),
            ports=None,
        ),
        some_state(session="kcp"),
    ],
)
def test_what_is_written_is_read_again(state: Path, kept: ServerState) -> None:
    directory = StateDirectory(state)
    assert directory.read() is None
    assert directory.update(lambda before: kept if before is None else before) == kept
    assert StateDirectory(state).read() == kept


def test_only_its_owner_can_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        directory = StateDirectory(tmp_path / "deep" / "state")
        directory.update(lambda _: some_state())
        directory.acquire()
        directory.release()
    finally:
        os.umask(before)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in [directory.path, *directory.path.iterdir()]
    }
    assert modes == {"state": 0o700, "server.json": 0o600, "lock": 0o600}


def test_the_file_is_replaced_never_rewritten(directory: StateDirectory) -> None:
    path = directory.path / "server.json"
    with path.open() as old:
        directory.update(lambda _: some_state(ports=Ports.one(1)))
        assert json.load(old)["ports"] == "38411"
    assert json.loads(path.read_text())["ports"] == "1"
    assert sorted(entry.name for entry in directory.path.iterdir()) == ["server.json"]


def test_a_change_that_changes_nothing_writes_nothing(directory: StateDirectory) -> None:
    before = (directory.path / "server.json").stat()
    assert directory.update(lambda before: before or some_state(ports=Ports.one(1))) == some_state()
    after = (directory.path / "server.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_write_that_fails_leaves_the_old_state_and_no_litter(
    directory: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match=r"cannot write the state in .*: No space left on device"):
        directory.update(lambda _: some_state(ports=Ports.one(1)))
    monkeypatch.undo()
    assert directory.read() == some_state()
    assert sorted(entry.name for entry in directory.path.iterdir()) == ["server.json"]


def test_changes_at_the_same_time_all_survive(directory: StateDirectory) -> None:
    def add(number: int) -> None:
        def change(before: ServerState | None) -> ServerState:
            assert before is not None
            return before.replaced(reachable=("".join(before.reachable) + f"{number}.",))

        StateDirectory(directory.path).update(change)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = directory.read()
    assert kept is not None
    assert sorted("".join(kept.reachable).split(".")) == ["", *map(str, range(8))]


@pytest.mark.parametrize("name", [".", "server.json"])
@pytest.mark.parametrize("mode", [0o040, 0o004, 0o020, 0o001])
def test_what_is_open_to_others_is_refused(directory: StateDirectory, name: str, mode: int) -> None:
    path = directory.path / name
    right = 0o700 if name == "." else 0o600
    path.chmod(right | mode)
    error = refusal(directory)
    assert f"is open to others (mode {right | mode:04o})" in str(error)
    assert error.hint == f"chmod {right:o} '{path}'"


def test_what_belongs_to_somebody_else_is_refused(
    directory: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = os.getuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert f"belongs to another user of this machine (uid {os.getuid()})" in str(refusal(directory))


def test_a_link_a_pipe_and_a_directory_are_refused(directory: StateDirectory) -> None:
    path = directory.path / "server.json"
    elsewhere = directory.path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert "server.json is not a regular file: it is a symbolic link" in str(refusal(directory))
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(StateError, match="is not a regular file"):
        directory.read()
    path.unlink()
    path.mkdir(mode=0o700)
    with pytest.raises(StateError, match="is not a regular file"):
        directory.read()
    with pytest.raises(StateError, match="is not a directory"):
        StateDirectory(elsewhere).read()


def damaged(**changes: Any) -> str:
    data = json.loads(some_state().model_dump_json())
    return json.dumps({**data, **changes})


def first(**changes: Any) -> str:
    """A file as version 1 wrote it."""
    return old(**{"version": 1, "users": [{"name": "default"}], **changes})


def third(**changes: Any) -> str:
    """A file as version 3 wrote it: without a session."""
    data = json.loads(some_state().model_dump_json(exclude={"session"}))
    return json.dumps({**data, "version": 3, **changes})


def old(**changes: Any) -> str:
    """A file as version 2 wrote it: with one port, and without a profile."""
    data = json.loads(some_state().model_dump_json())
    data = {name: value for name, value in data.items() if name not in ("ports", "profile", "session")}
    return json.dumps({**data, "version": 2, "port": 38411, **changes})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"server.json:1 is damaged: it is not JSON"),
        ('{\n"version": 1,\n"psk": "ab', r"server.json:3 is damaged: it is not JSON"),
        ("[" * 100_000, r"is damaged: it is not JSON"),
        ("[]", r"is damaged"),
        ("{}", r"is damaged: psk: Field required"),
        (damaged(psk="ab"), r"is damaged: psk: a key is 32 bytes"),
        (damaged(psk="zz" * 32), r"is damaged: psk: "),
        (damaged(psk=5), r"is damaged: psk: a key is 32 bytes"),
        (old(port=0), r"is damaged: port: "),
        (old(port="80"), r"is damaged: port: "),
        (damaged(ports=80), r"is damaged: ports: "),
        (damaged(ports="70000"), r"is damaged: ports = '70000' has no valid port"),
        (damaged(ports="ab" * 32), r"is damaged: ports = '\(secret\)"),
        (damaged(**{"ab" * 32: 1}), r"is damaged: unknown key '\(secret\)"),
        (damaged(prots=1), r"is damaged: unknown key 'prots'. Did you mean 'ports'\?"),
        (damaged(profile=None), r"is damaged: profile: "),
        (damaged(profile={"preset": "light"}), r"is damaged: profile.junk_count: Field required"),
        (
            damaged(profile={**json.loads(PROFILE.model_dump_json()), "junk_count": [5, 2]}),
            r"is damaged: profile.junk_count = \[5, 2\] is the wrong way round",
        ),
        (first(users=[{"name": "A"}]), r"is damaged: users.0.name: "),
        (first(users=[{"name": "a\n"}]), r"is damaged: users.0.name: "),
        (first(users=[{"name": "a"}, {"name": "a"}]), r"is damaged: users: two users have the same name"),
        (first(users=[{"name": "a", "generation": 0}]), r"is damaged: users.0.generation: "),
        (damaged(users=[]), r"is damaged: unknown key 'users'"),
        (damaged(version=6), r"was written by a newer ginnel \(format 6; this one reads 5\)"),
        (damaged(session="tcp"), r"is damaged: session: "),
        (third(session="kcp"), r"is damaged: unknown key 'session'"),
        (damaged(version=0), r"is damaged: version: "),
        (" " * (MAX_FILE_BYTES + 1), r"is too long: more than 4,194,304 bytes"),
    ],
)
def test_a_damaged_file_is_refused_with_its_place(
    directory: StateDirectory, text: str, complaint: str
) -> None:
    (directory.path / "server.json").write_text(text)
    with pytest.raises(StateError, match=complaint) as caught:
        directory.read()
    assert caught.value.hint
    assert caught.value.path == str(directory.path / "server.json")
    assert "zz" not in str(caught.value)


def test_one_server_at_a_time(directory: StateDirectory) -> None:
    other = StateDirectory(directory.path)
    directory.acquire()
    with pytest.raises(StateInUse, match=rf"another ginnel server \(process {os.getpid()}\) uses") as caught:
        other.acquire()
    assert caught.value.process == os.getpid()
    directory.release()
    directory.release()
    other.acquire()
    other.release()


def test_a_server_that_was_killed_holds_nothing(directory: StateDirectory) -> None:
    program = (
        "import sys, pathlib; from ginnel.config.state import StateDirectory;"
        "d = StateDirectory(pathlib.Path(sys.argv[1])); d.acquire(); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(directory.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StateInUse, match=f"process {holder.pid}"):
            directory.acquire()
        holder.kill()
        holder.wait()
        directory.acquire()
        directory.release()


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"cannot make the state in .*file/state"):
        StateDirectory(tmp_path / "file" / "state").create()


def test_where_the_state_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_state_directory() == Path("/var/lib/ginnel")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert default_state_directory() == tmp_path / "xdg" / "ginnel"
    for unusable in ("relative", ""):
        monkeypatch.setenv("XDG_STATE_HOME", unusable)
        assert default_state_directory() == tmp_path / ".local" / "state" / "ginnel"


def test_the_working_directory_is_not_to_be_closed_to_others(
    directory: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.path.chmod(0o755)
    monkeypatch.chdir(directory.path)
    with pytest.raises(StateError, match="is open to others") as caught:
        StateDirectory(Path(".")).acquire()
    assert "chmod" not in caught.value.hint
    assert "--state DIR" in caught.value.hint


def test_a_full_disk_under_the_lock_is_told(
    directory: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(StateError, match=r"cannot lock the state in .*: No space left on device"):
            directory.acquire()
    directory.acquire()  # the failure left no claim behind
    directory.release()


def test_an_empty_name_is_no_directory(tmp_path: Path) -> None:
    assert state_directory(tmp_path) == state_directory(str(tmp_path)) == tmp_path
    assert state_directory(None) == default_state_directory()
    with pytest.raises(ConfigError, match="state is empty"):
        state_directory("")


def roster_of(directory: StateDirectory) -> tuple[User, ...]:
    with contextlib.closing(directory.roster()) as roster:
        return roster.users()


def write_first(directory: StateDirectory, users: list[dict[str, Any]]) -> None:
    directory.create()
    path = directory.path / "server.json"
    path.write_text(first(users=users))
    path.chmod(0o600)


def test_users_of_version_1_move_to_the_roster(state: Path) -> None:
    directory = StateDirectory(state)
    write_first(directory, [{"name": "default"}, {"name": "anna", "generation": 3}])
    assert directory.read() == some_state()
    assert roster_of(directory) == (User("default", 1), User("anna", 3))
    kept = json.loads((state / "server.json").read_text())
    assert kept["version"] == 5
    assert "users" not in kept
    assert directory.read() == some_state()


def test_a_state_of_version_2_gets_a_profile_and_keeps_it(state: Path) -> None:
    directory = StateDirectory(state)
    directory.create()
    (state / "server.json").touch(0o600)
    (state / "server.json").write_text(old())
    found = directory.read()
    # Drawn from the secret, as clients do whose links are as old.
    assert found == some_state(profile=Profile.derive(Secret(bytes(32))))
    kept = json.loads((state / "server.json").read_text())
    assert (kept["version"], kept["ports"]) == (5, "38411")
    assert "port" not in kept
    assert directory.read() == found


def test_links_of_a_state_of_version_3_ask_for_what_they_asked_for(state: Path) -> None:
    directory = StateDirectory(state)
    directory.create()
    (state / "server.json").touch(0o600)
    (state / "server.json").write_text(third())
    assert directory.read() == some_state(session="quic")
    kept = json.loads((state / "server.json").read_text())
    assert (kept["version"], kept["session"]) == (5, "quic")


def test_as_many_users_as_allowed_move(state: Path) -> None:
    directory = StateDirectory(state)
    write_first(directory, [{"name": f"{number:064}", "generation": 2**31} for number in range(MAX_USERS)])
    assert directory.read() == some_state()
    assert len(roster_of(directory)) == MAX_USERS
    (state / "server.json").write_text(
        first(users=[{"name": str(number)} for number in range(MAX_USERS + 1)])
    )
    with pytest.raises(StateError, match="is damaged: users: "):
        directory.read()


def test_an_old_file_that_comes_back_revives_nobody(state: Path) -> None:
    directory = StateDirectory(state)
    write_first(directory, [{"name": "default"}, {"name": "anna"}, {"name": "bob"}])
    directory.read()
    with contextlib.closing(directory.roster()) as roster:
        roster.remove(["anna"])
        roster.rotate(["bob"])
    write_first(directory, [{"name": "default"}, {"name": "anna"}, {"name": "bob"}])
    directory.read()
    assert roster_of(directory) == (User("default", 1), User("bob", 2))


CRASHING = """
import os, signal, sqlite3, sys
from pathlib import Path
left = int(sys.argv[2])
def step():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
class Connection(sqlite3.Connection):
    def execute(self, *arguments):
        step()
        return super().execute(*arguments)
def wrapped(function):
    def call(*arguments, **keywords):
        step()
        return function(*arguments, **keywords)
    return call
for name in ("open", "fsync", "replace", "close", "fchmod"):
    setattr(os, name, wrapped(getattr(os, name)))
connect = sqlite3.connect
sqlite3.connect = lambda *arguments, **keywords: connect(*arguments, **keywords, factory=Connection)
from ginnel.config.state import StateDirectory
left = int(sys.argv[2])
StateDirectory(Path(sys.argv[1])).read()
"""
"""Reads the state, and dies before its n-th step that reaches the system or the database."""


@pytest.mark.long
def test_a_crash_at_any_step_of_the_move_loses_nobody(tmp_path: Path) -> None:
    users = (User("default", 1), User("anna", 3))
    survived = 0
    for number in range(1, 200):
        directory = StateDirectory(tmp_path / str(number))
        write_first(directory, [{"name": user.name, "generation": user.generation} for user in users])
        program = [sys.executable, "-c", CRASHING, str(directory.path), str(number)]
        code = subprocess.run(program, check=False).returncode
        assert code in (0, -signal.SIGKILL)
        kept = json.loads((directory.path / "server.json").read_text())
        if kept["version"] == 5:
            assert roster_of(directory) == users, f"step {number}: the keys stand there without the users"
        assert directory.read() == some_state(), f"step {number}"
        assert roster_of(directory) == users, f"step {number}"
        survived += code == 0
        if survived:
            break
    assert survived, "it has more steps than were tried"
    assert number > 20


def test_keys_without_users_are_a_loss_and_not_a_new_beginning(directory: StateDirectory) -> None:
    with pytest.raises(StateError, match=r"users.sqlite3 is missing") as caught:
        directory.roster()
    assert "server.json" in caught.value.hint


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_what_is_no_lock_is_refused(directory: StateDirectory, kind: str) -> None:
    path = directory.path / "lock"
    make_other(path, kind)
    with pytest.raises(StateError, match=r"lock is not a regular file|cannot lock the state"):
        directory.acquire()


def make_other(path: Path, kind: str) -> None:
    """Put something in a file's place."""
    match kind:
        case "link":
            path.symlink_to(path.with_name("elsewhere"))
        case "pipe":
            os.mkfifo(path, 0o600)
        case "directory":
            path.mkdir(mode=0o700)


def test_who_holds_it_is_known_without_a_lock(directory: StateDirectory) -> None:
    assert directory.holder() is None
    directory.acquire()
    assert directory.holder() == os.getpid()
    directory.release()
    assert directory.holder() is None
    (directory.path / "lock").write_text("1")
    assert directory.holder() is None
