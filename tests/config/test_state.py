"""The state directory: what it keeps, how it writes, what it refuses."""

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ginnel.config.secret import Secret
from ginnel.config.state import (
    MAX_FILE_BYTES,
    ServerState,
    StateDirectory,
    default_state_directory,
    state_directory,
)
from ginnel.errors import ConfigError, StateError, StateInUse


def some_state(**changes: Any) -> ServerState:
    fields: dict[str, Any] = {
        "psk": Secret(bytes(32)),
        "private_key": Secret(bytes(range(32))),
        "port": 38411,
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
        some_state(previous_psk=Secret(bytes([7] * 32)), reachable="a.example:1", port=None),
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
        stamp = directory.stamp()
        directory.update(lambda _: some_state(port=1))
        assert json.load(old)["port"] == 38411
    assert json.loads(path.read_text())["port"] == 1
    assert directory.stamp() != stamp
    assert sorted(entry.name for entry in directory.path.iterdir()) == ["server.json"]


def test_a_change_that_changes_nothing_writes_nothing(directory: StateDirectory) -> None:
    stamp = directory.stamp()
    assert directory.update(lambda before: before or some_state(port=1)) == some_state()
    assert directory.stamp() == stamp


def test_a_write_that_fails_leaves_the_old_state_and_no_litter(
    directory: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match=r"cannot write the state in .*: No space left on device"):
        directory.update(lambda _: some_state(port=1))
    monkeypatch.undo()
    assert directory.read() == some_state()
    assert sorted(entry.name for entry in directory.path.iterdir()) == ["server.json"]


def test_changes_at_the_same_time_all_survive(directory: StateDirectory) -> None:
    def add(number: int) -> None:
        def change(before: ServerState | None) -> ServerState:
            assert before is not None
            return before.replaced(users=(*before.users, User(name=f"user{number}")))

        StateDirectory(directory.path).update(change)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = directory.read()
    assert kept is not None
    assert len(kept.users) == 2 + 8


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
    assert "cannot read the state" in str(refusal(directory))
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
        (damaged(port=0), r"is damaged: port: "),
        (damaged(port="80"), r"is damaged: port: "),
        (damaged(prot=1), r"is damaged: unknown key 'prot'. Did you mean 'port'\?"),
        (damaged(users=[{"name": "A"}]), r"is damaged: users.0.name: "),
        (damaged(users=[{"name": "a\n"}]), r"is damaged: users.0.name: "),
        (damaged(users=[{"name": "a"}, {"name": "a"}]), r"is damaged: users: two users have the same name"),
        (damaged(users=[{"name": "a", "generation": 0}]), r"is damaged: users.0.generation: "),
        (damaged(version=2), r"was written by a newer ginnel \(format 2; this one reads 1\)"),
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


def test_as_many_users_as_allowed_fit_into_the_file(state: Path) -> None:
    users = tuple(User(name=f"{number:064}", generation=2**31) for number in range(MAX_USERS))
    directory = StateDirectory(state)
    directory.update(lambda _: some_state(users=users))
    kept = directory.read()
    assert kept is not None
    assert len(kept.users) == MAX_USERS
    with pytest.raises(ConfigError):
        some_state(users=(*users, User(name="more")))


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
