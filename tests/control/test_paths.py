"""Where control sockets are."""

import os
import socket
import stat
from pathlib import Path

import pytest

from ginnel.control.paths import (
    MAX_ADDRESS_BYTES,
    client_socket,
    client_sockets,
    make_directory,
    runtime_directory,
    socket_address,
)
from ginnel.errors import StateError


def test_where_clients_put_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert runtime_directory() == tmp_path / "ginnel"
    assert client_socket(7) == tmp_path / "ginnel" / "client-7.control"
    for unusable in ("", "relative", str(tmp_path / "missing")):
        monkeypatch.setenv("XDG_RUNTIME_DIR", unusable)
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        assert runtime_directory() == Path("/run/ginnel")
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        assert runtime_directory() == tmp_path / "home" / ".local" / "state" / "ginnel" / "run"


def test_somebody_elses_runtime_directory_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root finds it after `su`."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert tmp_path not in runtime_directory().parents


def test_the_directory_is_for_the_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "ginnel"
    before = os.umask(0)
    try:
        make_directory(directory)
        make_directory(directory)
    finally:
        os.umask(before)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    directory.chmod(0o755)
    with pytest.raises(StateError, match="is open to others"):
        make_directory(directory)


def test_only_sockets_of_clients_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert client_sockets() == []
    make_directory(runtime_directory())
    for name in ("client-2.control", "client-1.control", "client-3", "other.control"):
        (runtime_directory() / name).touch()
    assert [path.name for path in client_sockets()] == ["client-1.control", "client-2.control"]


@pytest.mark.parametrize("length", [MAX_ADDRESS_BYTES, MAX_ADDRESS_BYTES + 1, 400])
def test_a_path_of_any_length_has_an_address(tmp_path: Path, length: int) -> None:
    room = length - len(os.fsencode(str(tmp_path))) - len("//control")
    directory = tmp_path / "/".join(["x" * 50] * (room // 51) + ["y" * (room % 51 or 1)])
    directory.mkdir(parents=True)
    path = directory / "control"
    with socket.socket(socket.AF_UNIX) as listener, socket_address(path) as address:
        assert len(os.fsencode(address)) <= MAX_ADDRESS_BYTES
        listener.bind(address)
    assert stat.S_ISSOCK(path.stat().st_mode)
