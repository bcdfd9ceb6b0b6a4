"""Reading files: what stands in a file's place is told by name."""

import os
from pathlib import Path

import pytest

from ginnel.config.files import MAX_FILE_BYTES, is_open_to_others, read_file, read_text
from ginnel.errors import ConfigError


def test_text_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes("\ufeffü = 1\r\n".encode())
    path.chmod(0o640)
    text, mode = read_file(path)
    assert text == "ü = 1\r\n"
    assert is_open_to_others(mode)
    path.chmod(0o600)
    assert not is_open_to_others(read_file(path)[1])
    assert read_text(Path("a.toml"), tmp_path, "x") == text


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda path: None, "cannot be read: No such file or directory"),
        (lambda path: path.mkdir(), "is a directory, not a file"),
        (os.mkfifo, "is a pipe, not a file"),
        (lambda path: path.symlink_to("/dev/null"), "is a device or a socket, not a file"),
        (
            lambda path: path.write_bytes(b"#" * (MAX_FILE_BYTES + 1)),
            "is too long: more than 1,000,000 bytes",
        ),
        (lambda path: path.write_bytes(b"a = 1\n# \xff"), ":2: this is not UTF-8"),
        (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links"),
    ],
)
def test_what_is_no_file_is_told(tmp_path: Path, make: object, error: str) -> None:
    path = tmp_path / "a.toml"
    make(path)  # type: ignore[operator]  # each takes a path
    with pytest.raises(ConfigError) as caught:
        read_file(path)
    assert str(caught.value) == f"{path}{error if error.startswith(':') else f' {error}'}"


def test_a_file_of_the_greatest_length_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"#" * MAX_FILE_BYTES)
    assert len(read_file(path)[0]) == MAX_FILE_BYTES


def test_a_null_character_is_no_path() -> None:
    with pytest.raises(ConfigError, match="is not a path"):
        read_file(Path("a\0b"))
