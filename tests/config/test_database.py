"""The database: who may read it, versions of its schema, and every way in which it can be unusable."""

import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ginnel.config import database as database_module
from ginnel.config.database import Database
from ginnel.errors import StateError

FIRST = ("CREATE TABLE things (name TEXT PRIMARY KEY)",)
SECOND = ("ALTER TABLE things ADD COLUMN size INTEGER NOT NULL DEFAULT 7",)


@pytest.fixture
def path(state: Path) -> Path:
    """Where a database may be made."""
    state.mkdir(mode=0o700)
    return state / "things.sqlite3"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    """A new database."""
    with contextlib.closing(Database(path, [FIRST], create=True)) as database:
        yield database


def refusal(path: Path, *, create: bool = False) -> StateError:
    with pytest.raises(StateError) as caught:
        Database(path, [FIRST], create=create)
    assert caught.value.hint
    assert caught.value.path is not None
    return caught.value


def add(database: Database, name: str) -> None:
    with database.transaction():
        database.rows("INSERT INTO things (name) VALUES (?)", (name,))


def test_all_its_files_are_for_the_owner_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        with contextlib.closing(Database(path, [FIRST], create=True)) as database:
            add(database, "a")
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {f"things.sqlite3{side}": 0o600 for side in ("", "-wal", "-shm")}


def test_a_umask_that_takes_all_away_does_not_lock_us_out(path: Path) -> None:
    before = os.umask(0o777)
    try:
        Database(path, [FIRST], create=True).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_is_set_to_survive_a_power_cut(database: Database) -> None:
    assert database.rows("PRAGMA journal_mode") == [("wal",)]
    assert database.rows("PRAGMA synchronous") == [(2,)]


def test_a_transaction_that_fails_changes_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.transaction():
        database.rows("INSERT INTO things VALUES ('a')")
        raise ZeroDivisionError
    assert database.rows("SELECT * FROM things") == []
    add(database, "b")
    assert database.rows("SELECT * FROM things") == [("b",)]


def test_migrations_run_in_order_and_once(path: Path) -> None:
    with contextlib.closing(Database(path, [FIRST], create=True)) as database:
        add(database, "a")
    for _ in range(2):
        with contextlib.closing(Database(path, [FIRST, SECOND])) as database:
            assert database.rows("SELECT * FROM things") == [("a", 7)]
            assert database.rows("PRAGMA user_version") == [(2,)]


def test_a_migration_that_fails_leaves_the_old_version(path: Path) -> None:
    with contextlib.closing(Database(path, [FIRST], create=True)) as database:
        add(database, "a")
    with pytest.raises(StateError):
        Database(path, [FIRST, (*SECOND, "CREATE TABLE things (twice)")])
    with contextlib.closing(Database(path, [FIRST])) as database:
        assert database.rows("SELECT * FROM things") == [("a",)]


def test_a_newer_one_is_refused_untouched(path: Path) -> None:
    Database(path, [FIRST, SECOND], create=True).close()
    before = path.read_bytes()
    error = refusal(path)
    assert "was written by a newer ginnel (version 2; this one reads 1)" in str(error)
    assert "Update" in error.hint
    assert path.read_bytes() == before


def test_a_missing_one_is_a_loss_unless_it_may_be_new(path: Path) -> None:
    assert str(refusal(path)) == f"{path} is missing"
    assert not path.exists()
    Database(path, [FIRST], create=True).close()


def test_one_whose_making_was_cut_off_is_made_again(path: Path) -> None:
    path.touch(0o600)
    assert str(refusal(path)) == f"{path} is damaged: it is empty"
    Database(path, [FIRST], create=True).close()
    Database(path, [FIRST]).close()


def many(path: Path) -> int:
    """Fill it with more than fits on some pages; how long it is."""
    with contextlib.closing(Database(path, [FIRST], create=True)) as database, database.transaction():
        for number in range(2000):
            database.rows("INSERT INTO things VALUES (?)", (f"thing {number:060}",))
    return path.stat().st_size


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.99])
def test_one_that_was_cut_off_is_refused(path: Path, share: float) -> None:
    os.truncate(path, int(many(path) * share))
    assert "is damaged" in str(refusal(path))
    assert "Restore it from a copy" in refusal(path).hint


def test_one_with_a_page_overwritten_is_refused(path: Path) -> None:
    size = many(path)
    with path.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(os.urandom(4096))
    assert "is damaged" in str(refusal(path))


@pytest.mark.parametrize("text", [b"{}", b"SQLite format 3\0" + bytes(200), b"x" * 100_000])
def test_what_is_no_database_is_refused_untouched(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    path.chmod(0o600)
    for create in (False, True):
        assert "is damaged" in str(refusal(path, create=create))
    assert path.read_bytes() == text


def test_the_database_of_another_program_is_refused_untouched(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as foreign:
        foreign.execute("CREATE TABLE theirs (a)")
        foreign.execute("PRAGMA user_version=1")
    path.chmod(0o600)
    before = path.read_bytes()
    for create in (False, True):
        assert "is the database of another program" in str(refusal(path, create=create))
    assert path.read_bytes() == before


def test_one_that_is_far_too_long_is_not_even_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many(path)
    monkeypatch.setattr(database_module, "MAX_BYTES", 1000)
    assert "it is longer than 1,000 bytes" in str(refusal(path))


def test_one_open_to_others_is_refused(path: Path) -> None:
    Database(path, [FIRST], create=True).close()
    path.chmod(0o640)
    error = refusal(path)
    assert "is open to others (mode 0640)" in str(error)
    assert error.hint == f"chmod 600 '{path}'"


@pytest.mark.parametrize("side", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_a_link_a_pipe_and_a_directory_are_refused(path: Path, side: str, kind: str) -> None:
    if side:
        Database(path, [FIRST], create=True).close()
    other = path.with_name(path.name + side)
    {"link": lambda: other.symlink_to("elsewhere"), "pipe": lambda: os.mkfifo(other, 0o600)}.get(
        kind, lambda: other.mkdir(mode=0o700)
    )()
    for create in (False, True):
        assert f"{other} is not a regular file" in str(refusal(path, create=create))


def test_one_that_is_held_is_told(path: Path) -> None:
    Database(path, [FIRST], create=True).close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with contextlib.closing(Database(path, [FIRST], patience=0.05)) as database:
            with pytest.raises(StateError, match=r"is held by another program for more than 0\.05 s"):
                add(database, "a")
            other.execute("COMMIT")
            add(database, "a")


def test_changes_of_others_are_seen_and_our_own_are_not(path: Path, database: Database) -> None:
    before = database.data_version()
    add(database, "a")
    assert database.data_version() == before
    with contextlib.closing(Database(path, [FIRST])) as other:
        assert database.data_version() == before
        add(other, "b")
    assert database.data_version() != before


def test_one_that_was_taken_away_gets_no_more_changes(path: Path, database: Database) -> None:
    add(database, "a")
    path.unlink()
    with pytest.raises(StateError, match="is missing"):
        add(database, "b")
    with pytest.raises(StateError, match="is missing"):
        database.data_version()


def test_one_that_was_replaced_gets_no_more_changes(path: Path, database: Database) -> None:
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").chmod(0o600)
    path.with_name("copy").rename(path)
    for use in (database.data_version, lambda: add(database, "b")):
        with pytest.raises(StateError, match="was replaced while it was in use") as caught:
            use()
        assert "Start the server again" in caught.value.hint


ONE = """
import sys
from pathlib import Path
from ginnel.config.database import Database
from ginnel.errors import StateError
try:
    database = Database(Path(sys.argv[1]), [["CREATE TABLE things (name TEXT PRIMARY KEY)"]], create=True)
    with database.transaction():
        for number in range(20000):
            database.rows("INSERT INTO things VALUES (?)", (f"thing {number:060}",))
except StateError as error:
    print(error, "|", error.hint)
"""
"""Makes a database of more than a megabyte, and prints why that does not work."""


def unshared(tmp_path: Path, options: str, before: str = "") -> str:
    """Run `ONE` on a small disk of its own, which nobody else sees."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a disk of its own needs root and unshare")
    disk = tmp_path / "disk"
    disk.mkdir()
    script = (
        f"mount -t tmpfs -o size=256k,mode=700 none {disk} && {before or 'true'} && "
        f'mount -o remount,{options} {disk} && exec "$0" "$@"'
    )
    arguments = ["unshare", "-m", "sh", "-c", script, sys.executable, "-c", ONE, str(disk / "things.sqlite3")]
    process = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if "mount" in process.stderr:
        pytest.skip(f"no disk can be mounted here: {process.stderr.strip()}")
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    said = unshared(tmp_path, "rw")
    assert "the disk is full | Make room there:" in said


def test_a_disk_that_is_full_from_the_start_is_told(tmp_path: Path) -> None:
    said = unshared(tmp_path, "rw", f"(cat /dev/zero > {tmp_path}/disk/ballast 2>/dev/null; true)")
    assert "disk is full" in said or "No space left on device" in said
    assert "Make room there" in said


@pytest.mark.parametrize("exists", [False, True])
def test_a_read_only_disk_is_told(tmp_path: Path, exists: bool) -> None:
    made = tmp_path / "made.sqlite3"
    Database(made, [FIRST], create=True).close()
    said = unshared(tmp_path, "ro", f"install -m 600 {made} {tmp_path}/disk/things.sqlite3" if exists else "")
    assert "read-only" in said.lower()
    assert "Make it writable" in said


@pytest.mark.parametrize("what", ["file", "directory"])
def test_one_that_its_owner_may_not_use_is_told(tmp_path: Path, path: Path, what: str) -> None:
    """Also for root, when it may not overlook modes."""
    program = [sys.executable, "-c", ONE, str(path)]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root overlooks modes, and there is no setpriv to hinder it")
        program = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *program]
    Database(path, [FIRST], create=True).close()
    (path if what == "file" else path.parent).chmod(0o000 if what == "file" else 0o500)
    try:
        process = subprocess.run(program, capture_output=True, text=True, check=False)
    finally:
        path.parent.chmod(0o700)
    assert process.returncode == 0, process.stderr
    mode, place = ("600", path) if what == "file" else ("700", path.parent)
    assert f"chmod {mode} '{place}'" in process.stdout
