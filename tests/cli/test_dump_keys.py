"""The keys of `ginnel dump`."""

import argparse
from contextlib import closing
from pathlib import Path

import pytest

from ginnel import _native
from ginnel.cli._dump_keys import MAX_LINE, KeyLog, Keys
from ginnel.config.profile import Profile
from ginnel.config.roster import User
from ginnel.config.secret import Secret
from ginnel.config.state import ServerState, StateDirectory
from ginnel.errors import ConfigError
from ginnel.policy.users import user_key


def line(number: int) -> str:
    keys = f"{'11' * 32} {'22' * 32} {'33' * 16}"
    return f"GINNEL_KEYS server 0000000a 0000000b aes-128-gcm {number} {keys}\n"


def given(**more: object) -> argparse.Namespace:
    return argparse.Namespace(**{"link": None, "state": None, "key_log": None, "interface": None} | more)


def nobody(text: str) -> None:
    raise AssertionError(text)


def test_a_key_log_is_read_as_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "keys.log"
    path.write_text("# Keys\n" + line(0))
    with closing(KeyLog(path, _native.dissector(), nobody)) as log, path.open("a") as file:
        log.read_on()
        assert log.sets == 1
        file.write(line(1)[:50])
        file.flush()
        log.read_on()
        assert log.sets == 1, "half a line is none"
        file.write(line(1)[50:] + "\n" + line(2))
        file.flush()
        for _ in range(2):
            log.read_on()
            assert log.sets == 3


def test_the_last_line_of_a_key_log_that_is_done_needs_no_end(tmp_path: Path) -> None:
    path = tmp_path / "keys.log"
    path.write_text(line(0) + line(1).rstrip("\n"))
    with closing(Keys(nobody)) as keys:
        keys.take(given(key_log=str(path)))
        assert keys.shows == ["key log: everything in the links that it has: 2 sets of keys"]
    with closing(Keys(nobody)) as keys:
        keys.take(given(key_log=str(path), interface="lo"))
        # Somebody may still be writing.
        assert keys.shows == ["key log: everything in the links that it has: 1 set of keys"]


def test_lines_that_are_wrong_are_told_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "keys.log"
    wrong = [
        line(3).replace("aes-128-gcm", "rot13"),
        "GINNEL_KEYS\n",
        "GINNEL_KEYS " + "x" * 2 * MAX_LINE + "\n",
    ]
    path.write_bytes("".join([line(0), *wrong, "\u00e9\n", line(1)]).encode() + b"\xff\xfe\n")
    told: list[str] = []
    with closing(KeyLog(path, _native.dissector(), told.append)) as log:
        log.read_on()
        assert log.sets == 2
    assert told[0] == "the key log's line 2 is left out: the AEAD is unknown"
    assert told[1] == "the key log's line 3 is left out: the role is missing"
    assert any(f"more than {MAX_LINE} bytes" in text for text in told[2:])
    assert not any("11111" in text for text in told)
    path.write_text(line(3).replace("aes-128-gcm", "rot13") * 50)
    told.clear()
    with closing(KeyLog(path, _native.dissector(), told.append)) as log:
        log.read_on()
    assert len(told) == 5
    assert told[-1].endswith("further ones are not told")


def test_a_servers_state_names_its_users(tmp_path: Path) -> None:
    directory = StateDirectory(tmp_path / "state")
    private = Secret(_native.generate_private_key())
    state = ServerState.build(
        psk=Secret(bytes(32)),
        previous_psk=Secret(bytes([1]) * 32),
        private_key=private,
        profile=Profile.fresh("balanced"),
    )
    directory.create()
    directory.roster(create=True).close()
    directory.update(lambda _: state)
    roster = directory.roster()
    roster.add(["phone"])
    roster.close()
    keys = Keys(nobody)
    assert not keys
    keys.take(given(state=str(tmp_path / "state")))
    assert keys
    phone = _native.public_key(user_key(private, User("phone", 1), _native).reveal())
    assert keys.users == {phone: "phone"}


def test_no_key_needs_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GINNEL_LINK", raising=False)
    keys = Keys(nobody)
    keys.take(given())
    assert not keys
    with pytest.raises(ConfigError, match="cannot be opened"):
        keys.take(given(key_log=str(tmp_path / "none")))
