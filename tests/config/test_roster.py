"""The roster: users, generations that never come back, counts that count once, and crashes."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ginnel.config import roster as roster_module
from ginnel.config.roster import MAX_USERS, Roster, Usage, User, check_user_name
from ginnel.errors import ConfigError, LimitReached, StateError


@pytest.fixture
def path(state: Path) -> Path:
    """Where a roster may be made."""
    state.mkdir(mode=0o700)
    return state / "users.sqlite3"


@pytest.fixture
def roster(path: Path) -> Iterator[Roster]:
    """A new roster."""
    with contextlib.closing(Roster(path, create=True)) as roster:
        yield roster


@pytest.mark.parametrize("name", ["a", "default", "anna.phone", "x_1-2", "0" * 64])
def test_names_that_a_user_can_have(roster: Roster, name: str) -> None:
    assert check_user_name(name) == name
    assert roster.add([name]) == (User(name, 1),)


@pytest.mark.parametrize("name", ["", "Anna", "a b", "a\n", "ä", "a/b", "x" * 65])
def test_names_that_no_user_can_have(roster: Roster, name: str) -> None:
    for use in (lambda: roster.add(["good", name]), lambda: roster.ensure(name), lambda: roster.find(name)):
        with pytest.raises(ConfigError, match="is not a user name") as caught:
            use()
        assert "1 to 64" in caught.value.hint
    assert roster.users() == ()


def test_users_stay_in_the_order_in_which_they_came(path: Path, roster: Roster) -> None:
    roster.add(["zoe", "anna"])
    roster.add(["mia"])
    with contextlib.closing(Roster(path)) as again:
        assert again.users() == (User("zoe"), User("anna"), User("mia"))
        assert [record.user.name for record in again.records()] == ["zoe", "anna", "mia"]


def test_a_name_that_is_taken_adds_nobody(roster: Roster) -> None:
    roster.add(["anna"])
    with pytest.raises(ConfigError, match="user 'anna' exists already") as caught:
        roster.add(["bob", "anna"])
    assert caught.value.hint == "Its link again:  ginnel user link anna"
    assert roster.users() == (User("anna"),)


def test_ensuring_adds_only_once(roster: Roster) -> None:
    assert roster.ensure("anna") == (User("anna"), True)
    assert roster.ensure("anna") == (User("anna"), False)


def test_an_unknown_name_is_told_with_the_nearest(roster: Roster) -> None:
    roster.add(["anna", "laptop"])
    for use in (
        lambda: roster.find("labtop"),
        lambda: roster.remove(["anna", "labtop"]),
        lambda: roster.rotate(["labtop"]),
    ):
        with pytest.raises(ConfigError, match=r"no user 'labtop'\. Did you mean 'laptop'\?") as caught:
            use()
        assert "ginnel user list" in caught.value.hint
    assert len(roster.users()) == 2


def test_an_old_key_never_comes_back(roster: Roster) -> None:
    generations = []
    for _ in range(3):
        generations += [user.generation for user in roster.add(["anna"])]
        generations += [user.generation for user in roster.rotate(["anna"])]
        roster.remove(["anna"])
        assert roster.users() == ()
    assert generations == [1, 2, 3, 4, 5, 6]
    assert roster.ensure("anna") == (User("anna", 7), True)


def test_removed_names_are_bounded_and_stay_dead(roster: Roster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster_module, "MAX_REMOVED", 3)
    roster.add(["old"])
    roster.rotate(["old"])
    for name in ("old", "a", "b", "c", "d"):
        roster.ensure(name)
        roster.remove([name])
    ((count,),) = roster._database.rows("SELECT count(*) FROM users")
    assert count == 3
    # `old` and `a` are forgotten as names; no name gets a generation that one of them had.
    assert roster.add(["old", "a", "new"]) == (User("old", 3), User("a", 3), User("new", 3))
    assert roster.add(["d"]) == (User("d", 4),)


def test_a_new_server_has_a_first_user_and_gets_it_only_once(roster: Roster) -> None:
    roster.ensure_first("default")
    roster.ensure_first("default")
    assert roster.users() == (User("default"),)
    roster.remove(["default"])
    roster.ensure_first("default")
    assert roster.users() == ()


def test_there_is_a_most(roster: Roster) -> None:
    roster.add([str(number) for number in range(MAX_USERS - 1)])
    with pytest.raises(LimitReached, match="9,999 users, and more than 10,000 are not possible"):
        roster.add(["one", "more"])
    roster.ensure("one")
    with pytest.raises(LimitReached):
        roster.ensure("more")
    roster.remove(["one"])
    roster.add(["more"])


def test_changes_of_others_are_noticed(path: Path, roster: Roster) -> None:
    assert not roster.has_changed()
    with contextlib.closing(Roster(path)) as other:
        other.add(["anna"])
    assert roster.has_changed()
    assert not roster.has_changed()


def usage_of(roster: Roster, name: str) -> Usage:
    (usage,) = (record.usage for record in roster.records() if record.user.name == name)
    return usage


def test_counts_add_up(roster: Roster) -> None:
    roster.add(["anna", "bob"])
    assert usage_of(roster, "anna") == Usage()
    roster.count("run", 1, {"anna": Usage(1, 2, 3, 4, 1000), "bob": Usage(bytes_sent=5)})
    roster.count("run", 2, {"anna": Usage(streams=1)})
    roster.count("another", 1, {"anna": Usage(bytes_sent=10, last_seen=2000)})
    assert usage_of(roster, "anna") == Usage(1, 3, 3, 14, 2000)
    assert usage_of(roster, "bob") == Usage(bytes_sent=5)


def test_a_batch_counts_once(roster: Roster) -> None:
    roster.add(["anna"])
    for _ in range(3):
        roster.count("run", 1, {"anna": Usage(bytes_sent=5)})
    roster.count("run", 2, {"anna": Usage(bytes_sent=5)})
    roster.count("run", 1, {"anna": Usage(bytes_sent=5)})
    assert usage_of(roster, "anna").bytes_sent == 10


def test_who_is_gone_is_not_counted_and_comes_back_with_nothing(roster: Roster) -> None:
    roster.add(["anna"])
    roster.count("run", 1, {"anna": Usage(bytes_sent=5)})
    roster.remove(["anna"])
    roster.count("run", 2, {"anna": Usage(bytes_sent=5), "nobody": Usage(links=1)})
    roster.add(["anna"])
    assert usage_of(roster, "anna") == Usage()
    assert len(roster.records()) == 1


def test_a_user_that_is_none_is_damage(path: Path, roster: Roster) -> None:
    roster.add(["anna"])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE users SET name = 'A B'")
        with pytest.raises(StateError, match="has no proper name or generation"):
            roster.users()
        with pytest.raises(sqlite3.IntegrityError):
            other.execute("UPDATE users SET generation = 'x'")
        other.execute("DROP TABLE usage")
    with pytest.raises(StateError, match="is damaged: no such table: usage"):
        roster.records()


WRITER = """
import sys, itertools
from pathlib import Path
from ginnel.config.roster import Roster, Usage
roster = Roster(Path(sys.argv[1]))
for number in itertools.count(1):
    roster.count(sys.argv[2], number, {"a": Usage(links=1, bytes_sent=1), "b": Usage(links=1, bytes_sent=1)})
    print(number, flush=True)
    if number % 3 == 0:
        roster.remove(["c"])
    elif number % 3 == 1:
        roster.ensure("c")
"""
"""Counts and changes users without end, and says which batch the database has taken."""


@pytest.mark.long
def test_crashes_leave_it_whole_and_count_nothing_twice(path: Path) -> None:
    with contextlib.closing(Roster(path, create=True)) as roster:
        roster.add(["a", "b", "c"])
    written, generation = 0, 1
    for run in range(40):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(run)], stdout=subprocess.PIPE)
        with writer:
            assert writer.stdout is not None
            for _ in range(1 + run * 3 % 17):
                assert writer.stdout.readline()
            # Not for luck: each run dies at another moment of its next batch.
            time.sleep(run % 13 * 0.0007)
            os.kill(writer.pid, signal.SIGKILL)
            said = writer.stdout.read().split()
        assert writer.returncode == -signal.SIGKILL
        confirmed = 1 + run * 3 % 17 + len(said)
        with contextlib.closing(Roster(path)) as roster:
            a, b = usage_of(roster, "a"), usage_of(roster, "b")
            assert a == b, "a batch was cut in two"
            assert a.links == a.bytes_sent
            # What was confirmed is there; the last one may have died between its writing and its word.
            assert a.links - written in (confirmed, confirmed + 1)
            # Whoever starts again does not count the last batch of the dead once more.
            roster.count(str(run), a.links - written, {"a": Usage(links=1000)})
            assert usage_of(roster, "a") == a
            written = a.links
            now = roster.ensure("c")[0].generation
            assert now >= generation
            generation = now
