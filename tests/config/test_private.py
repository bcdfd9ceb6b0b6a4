"""What only its owner may read, and the system's refusals in words."""

import errno
import os
import stat
from pathlib import Path

import pytest

from ginnel.config.private import check_private, remedy, told
from ginnel.errors import StateError


def test_a_private_file_passes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch(0o600)
    check_private(path, path.lstat(), stat.S_ISREG, 0o600)


@pytest.mark.parametrize(("mode", "shown"), [(0o644, "0644"), (0o610, "0610"), (0o601, "0601")])
def test_others_must_not_get_in(tmp_path: Path, mode: int, shown: str) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    with pytest.raises(StateError, match=rf"is open to others \(mode {shown}\)") as caught:
        check_private(path, path.lstat(), stat.S_ISREG, 0o600)
    assert caught.value.hint == f"chmod 600 '{path}'"


def test_a_symbolic_link_is_called_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.symlink_to("elsewhere")
    with pytest.raises(StateError, match="is not a socket: it is a symbolic link"):
        check_private(path, path.lstat(), stat.S_ISSOCK, 0o600)


def test_another_owner_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.touch(0o600)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(StateError, match=rf"belongs to another user of this machine \(uid {os.getuid()}\)"):
        check_private(path, path.lstat(), stat.S_ISREG, 0o600)


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (errno.ENOSPC, "Make room there"),
        (errno.EDQUOT, "Make room there"),
        (errno.EROFS, "Make it writable"),
        (errno.EACCES, "all rights"),
        (errno.EIO, "--state DIR"),
    ],
)
def test_each_refusal_has_its_remedy(tmp_path: Path, number: int, word: str) -> None:
    assert word in remedy(number, tmp_path)
    complaint = rf"cannot lick the state in .*: {os.strerror(number)}"
    with pytest.raises(StateError, match=complaint) as caught, told("lick", tmp_path):
        raise OSError(number, os.strerror(number))
    assert word in caught.value.hint
    assert caught.value.path == str(tmp_path)
