"""The whole program, with a stand-in for the load program."""

import os
import resource
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench import main as module
from bench import places, processes
from bench.load import LoadProgram
from bench.main import main
from bench.record import read, save
from bench.wire import why_no_wire
from tests.bench import runs
from tests.bench.waiting import until

ROOT = Path(__file__).parent.parent.parent
SHORT = "--quick", "--loopback", "--seconds", "0.05"


class Bench:
    """`python -m bench` with the stand-in, its results in a directory of the test."""

    def __init__(self, load: LoadProgram, directory: Path) -> None:
        self.out = directory / "out"
        self.pids = directory / "pids"
        self.pids.mkdir()
        self._command = [sys.executable, "-m", "bench", "--load", str(load.path), "--out", str(self.out)]

    def start(self, *words: str, fault: str = "") -> subprocess.Popen[str]:
        environment = os.environ | {"FAKE_FAULT": fault, "FAKE_PIDS": str(self.pids)}
        command = [*self._command, *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )

    def run(self, *words: str, fault: str = "") -> subprocess.CompletedProcess[str]:
        with self.start(*words, fault=fault) as process:
            out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def stored(self, suffix: str) -> Path:
        (path,) = self.out.glob(f"*{suffix}")
        return path

    def started(self, command: str) -> bool:
        return any(self.pids.glob(f"*-{command}"))

    def left_over(self) -> list[str]:
        return [file.name for file in self.pids.iterdir() if processes.started(int(file.name.split("-")[0]))]


@pytest.fixture
def bench(load: LoadProgram, tmp_path: Path) -> Bench:
    return Bench(load, tmp_path)


def test_it_measures_shows_and_stores(bench: Bench, tmp_path: Path) -> None:
    markdown = tmp_path / "table.md"
    done = bench.run(
        *SHORT, "--subjects", "direct,relay", "--rows", "down-1,requests-64", "--markdown", str(markdown)
    )
    assert done.returncode == 0, done.stderr
    assert "bulk down, 1 stream" in done.stdout
    assert done.stderr.splitlines()[-1] == "8/8  round 2 · requests-64 · direct"
    run = read(bench.stored(".json"))
    assert run.finished
    assert run.place == "loopback"
    assert len(run.samples) == 8
    assert "plain relay, two hops" in markdown.read_text()
    ET.parse(bench.stored(".svg"))  # noqa: S314 - made by the program under test
    assert bench.left_over() == []


def test_a_stored_run_is_shown_and_compared_again(bench: Bench) -> None:
    assert bench.run(*SHORT, "--subjects", "direct", "--rows", "down-1").returncode == 0
    stored = str(bench.stored(".json"))
    shown = bench.run("--show", stored, "--compare", "last")
    assert shown.returncode == 0, shown.stderr
    assert "bulk down, 1 stream" in shown.stdout
    assert f"Compared with {stored}" in shown.stdout
    assert len(list(bench.out.iterdir())) == 2, "nothing was measured"


def test_a_new_run_is_compared_with_an_old_one(bench: Bench, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    save(
        runs.run(
            {("down-1", "direct"): {"rate": [1e6, 2e6]}},
            rows=[runs.BULK.model_copy(update={"key": "down-1"})],
        ),
        old,
    )
    done = bench.run(*SHORT, "--subjects", "direct", "--rows", "down-1", "--compare", str(old))
    assert done.returncode == 0, done.stderr
    assert "warning: machine.cpu: Abacus <2> & sons then" in done.stdout
    assert "1 better and 0 worse" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_leaves_nothing_and_shows_what_it_has(
    bench: Bench, number: signal.Signals
) -> None:
    # Memory is measured before the first run, which hangs.
    words = *SHORT, "--subjects", "relay", "--rows", "idle-1000,down-1"
    with bench.start(*words, fault="hang") as process:
        until(lambda: len(list(bench.pids.glob("*-run"))) == 2)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "memory with 1,000 idle connections" in out
    assert "NOT FINISHED" in out
    assert not read(bench.stored(".json")).finished
    assert bench.left_over() == []
    assert "Traceback" not in err


def test_an_interrupted_run_leaves_no_namespace(bench: Bench) -> None:
    if reason := places.why_no_namespaces():
        pytest.skip(reason)

    def files() -> list[Path]:
        """Those that programs of this run are in; other runs may come and go beside it."""
        used = {Path(f"/proc/{pid}/ns/net").stat().st_ino for pid in processes.tree(process.pid)}
        named = Path("/run/netns").glob("ginnel-bench-*")
        return [file for file in named if file.stat().st_ino in used]

    with bench.start("--quick", "--subjects", "direct", "--rows", "down-1", fault="hang") as process:
        until(lambda: bench.started("run"))
        ours = files()
        assert len(ours) == 2
        # As a terminal does it, to everybody in the group, for somebody who does not wait.
        while process.poll() is None and any(file.exists() for file in ours):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.001)
        _, err = process.communicate(timeout=60)
    assert not [file for file in ours if file.exists()]
    assert process.returncode == 130, err
    assert bench.left_over() == []


def test_a_run_in_which_nothing_works_ends_with_1(bench: Bench) -> None:
    done = bench.run(*SHORT, "--subjects", "direct", "--rows", "down-1", fault="fail")
    assert done.returncode == 1
    assert "failed: the load program failed" in done.stdout


def test_an_origin_that_does_not_start_is_an_error_and_no_report(bench: Bench) -> None:
    done = bench.run(*SHORT, "--subjects", "direct", "--rows", "down-1", fault="no address of the origin")
    assert done.returncode == 1
    assert "error: the origin says 'listening nowhere'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--compare", "absent.json"], 2, "error: absent.json: No such file"),
        (["--compare", "last"], 2, "holds no run of the kind clean yet"),
        (["--show", "absent.json"], 2, "error: absent.json: No such file"),
        (["--subjects", "nobody"], 1, "no subject is called nobody"),
        (["--load", "absent"], 1, "the load program is not there: absent\n  make bench builds it"),
    ],
)
def test_a_mistake_is_told_before_anything_is_measured(
    load: LoadProgram,
    tmp_path: Path,
    words: Sequence[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        ended: object = main(["--load", str(load.path), "--out", str(tmp_path / "out"), *words])
    except SystemExit as error:
        ended = error.code
    assert ended == code
    assert message in capsys.readouterr().err


def test_results_that_cannot_be_kept_are_told_before(
    load: LoadProgram, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["--load", str(load.path), "--out", str(tmp_path / "file")]) == 1
    said = capsys.readouterr()
    assert "File exists" in said.err
    assert said.out == ""


def test_the_laboratory_without_root_is_one_clear_line(
    load: LoadProgram, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "why_no_wire", lambda: "network namespaces need root")
    assert main(["--wan", "--load", str(load.path)]) == 1
    assert (
        capsys.readouterr().err
        == "error: the lossy laboratory cannot be had here: network namespaces need root\n"
    )


def test_a_wrong_cell_is_told(
    load: LoadProgram, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "why_no_wire", lambda: None)
    with pytest.raises(SystemExit) as caught:
        main(["--wan", "--load", str(load.path), "--cell", "50"])
    assert caught.value.code == 2
    assert "'50' is no cell" in capsys.readouterr().err


def test_the_laboratory_measures_and_stores(bench: Bench) -> None:
    if reason := why_no_wire():
        pytest.skip(reason)
    done = bench.run("--wan", "--cell", "2/0", "--seconds", "0.1", "--subjects", "tcp-cubic")
    if "this kernel has no cubic" in done.stdout:
        pytest.skip("this kernel has no cubic")
    assert done.returncode == 0, done.stderr
    assert "The wire of 2 ms round trip, 0 % lost each way, 200 Mbit/s: found" in done.stdout
    run = read(bench.stored(".json"))
    assert run.kind == "wan"
    assert run.samples[0].error is None
    assert run.wires[0].error is None
    assert bench.left_over() == []


def test_descriptors_are_as_many_as_can_be_had() -> None:
    module.raise_descriptors()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == hard
