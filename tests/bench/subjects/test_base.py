from collections.abc import Callable
from pathlib import Path

import pytest

from bench.programs import BenchError
from bench.subjects.base import Lab, Running, find, first_line, path_of, start_at, write_secret


def test_a_home_is_open_to_its_owner_alone(lab: Lab) -> None:
    assert lab.home("x").stat().st_mode & 0o777 == 0o700
    assert lab.home("x") == lab.home("x")


def test_a_secret_is_read_by_its_owner_alone(tmp_path: Path) -> None:
    path = write_secret(tmp_path / "key", "secret")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("secret", 0o600)


def test_programs_are_found_also_where_servers_are(
    installed: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = installed("some-server", "true")
    assert path_of("some-server") == str(path)
    monkeypatch.setenv("PATH", "/nowhere")
    assert find("some-server") is None
    monkeypatch.setattr("bench.subjects.base.SYSTEM_PATHS", str(path.parent))
    assert find("some-server") == str(path)
    with pytest.raises(BenchError, match="other not installed"):
        path_of("other")


def test_a_version_is_the_first_line_on_either_output() -> None:
    assert first_line("sh", "-c", "echo; echo Version 3 >&2") == "Version 3"
    assert first_line("sh", "-c", "true") is None
    assert first_line("/nowhere/at-all") is None


def test_a_subject_whose_program_is_gone_says_so(lab: Lab) -> None:
    with start_at(lab, "server", "it", "sh", "-c", "echo up; read line") as program:
        running = Running("direct", server=[program])
        program.wait_line("up")
    assert running.pids() == []
    with pytest.raises(BenchError, match="it is gone; it ended with"):
        running.check()
