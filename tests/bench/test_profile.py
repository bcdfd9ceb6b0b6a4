"""The profile, with stand-ins for perf, for the load program and for ginnel."""

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import profile
from bench.programs import BenchError

PERF = """
import sys, pathlib
if sys.argv[1] == "record":
    pathlib.Path(sys.argv[sys.argv.index("-o") + 1]).write_text(" ".join(sys.argv[1:]))
else:
    print("samples of", pathlib.Path(sys.argv[sys.argv.index("-i") + 1]).read_text())
"""
LOAD = """
import sys, time
if sys.argv[1] == "flame":
    print("<svg>", sys.argv[3], sys.stdin.read().strip())
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory, first in PATH, whose perf and load do as if."""
    directory = tmp_path / "programs"
    directory.mkdir()
    for name, text in (("perf", PERF), ("load", LOAD)):
        write(directory / name, text)
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")
    return directory


def write(path: Path, text: str) -> None:
    # Not in the first line itself: the path of the interpreter may have a space in it.
    code = path.with_name(f"{path.name}-code.py")
    code.write_text(text)
    path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(code))} "$@"\n')
    path.chmod(0o755)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    module = tmp_path / "package" / "ginnel" / "_engine.abi3.so"
    module.parent.mkdir(parents=True)
    module.touch()
    return module.parent.parent


@pytest.fixture
def tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tunnel of which nothing runs."""

    @contextlib.contextmanager
    def running(package: Path, load: str, home: Path) -> Iterator[profile.Tunnel]:
        yield profile.Tunnel({"client": 111, "server": 222}, "127.0.0.1:1080", "127.0.0.1:80")

    monkeypatch.setattr(profile, "running", running)
    monkeypatch.setattr(profile, "WARM_UP", 0.01)


@pytest.mark.usefixtures("tunnel")
def test_both_ends_are_drawn_in_both_works(
    programs: Path, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["--package", str(package), "--load", str(programs / "load"), "--seconds", "0.1"]
    assert profile.main([*words, "--out", str(out)]) == 0
    names = [f"profile-{work}-{end}.svg" for work in ("bulk", "requests") for end in ("client", "server")]
    assert capsys.readouterr().out.split() == [str(out / name) for name in names]
    for name, pid in zip(names, ("111", "222") * 2, strict=True):
        graph = (out / name).read_text()
        assert graph.startswith(f"<svg> {name.split('-')[1]}: ginnel ")
        assert f"-p {pid} -- sleep 0.1" in graph


@pytest.mark.usefixtures("tunnel")
@pytest.mark.parametrize(
    ("program", "text", "word"),
    [
        ("perf", "import sys; sys.exit('no permission to trace')", "no permission to trace"),
        ("perf", "import sys; sys.exit('-p' in sys.argv)", "perf has failed with 1"),
        (
            "perf",
            PERF.replace('print("samples of",', 'sys.exit("no recording: " +'),
            "perf script: no recording: record",
        ),
        ("load", "import sys; sys.exit(sys.argv[1] == 'run')", "the load has failed"),
        ("load", "import sys; sys.exit(sys.argv[1] == 'flame' and 'no samples in it')", "no samples in it"),
    ],
)
def test_whoever_fails_is_named(
    programs: Path, package: Path, tmp_path: Path, program: str, text: str, word: str
) -> None:
    write(programs / program, text)
    with pytest.raises(BenchError, match=word):
        profile.profile(package, str(programs / "load"), 0.05, tmp_path / "out")


def test_a_machine_without_perf_is_told_what_to_install() -> None:
    with pytest.raises(BenchError, match="not installed"):
        profile.check_perf(None)


def test_a_package_without_a_native_module_is_refused(
    programs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert profile.main(["--package", str(tmp_path), "--load", str(programs / "load")]) == 1
    assert "make profile builds one" in capsys.readouterr().err
