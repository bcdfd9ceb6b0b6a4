"""Where the time goes: flame graphs of both ends of a tunnel, in a bulk run and in a run of requests.

`python -m bench.profile --package DIRECTORY --load PROGRAM` is `make profile`. It builds nothing. DIRECTORY has the
package `ginnel` with a native module of the profile `profiling`, which kept its names. `perf` takes the samples,
`ginnel-load flame` draws them, and four files are the result: `profile-{bulk,requests}-{client,server}.svg`.
"""

import argparse
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.programs import BenchError, Program, environment

WARM_UP = 1.0
"""Seconds of work before the first sample: a link that has just begun does other things."""
LATE = 30.0
"""Seconds that a run or perf may take longer than it was told to."""
FREQUENCY = 997
"""Samples per second of processor time; a prime, so that no timer of ours keeps in step with it."""

WORKS = {
    "bulk": ("--work", "down", "--connections", "1"),
    "requests": ("--work", "requests", "--connections", "64"),
}
"""The arguments of `ginnel-load run` by the name of a graph."""


@dataclass(frozen=True)
class Tunnel:
    """What runs, once it is ready."""

    ends: Mapping[str, int]
    """The processes, by the name of an end."""
    socks: str
    origin: str


def check_perf(perf: str | None) -> str:
    """The program that takes samples. BenchError when there is none, or when it is not allowed to."""
    if perf is None:
        raise BenchError("perf is not installed: it is in the package linux-perf, or linux-tools, or perf")
    with tempfile.TemporaryDirectory(prefix="ginnel-profile-") as directory:
        command = [*record(perf, Path(directory, "try")), "--", "true"]
        tried = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if tried.returncode:
        said = (tried.stderr.strip() or "it says nothing").splitlines()[0]
        raise BenchError(
            f"perf may not take samples ({said}). Run this as root, or as root: sysctl kernel.perf_event_paranoid=1"
        )
    return perf


def record(perf: str, output: Path) -> list[str]:
    """The command that takes samples with their call chains.

    They are taken by the processor's clock, which is there also where a virtual machine shows no counters.
    """
    return [perf, "record", "-q", "-e", "cpu-clock", "-F", str(FREQUENCY), "-g", "-o", str(output)]


@contextlib.contextmanager
def running(package: Path, load: str, home: Path) -> Iterator[Tunnel]:
    """An origin, a server and a client on loopback, ready; ended in reverse order."""
    home.mkdir(mode=0o700)
    # Python finds that package before any other.
    around = environment(home, PYTHONPATH=str(package))
    python = [sys.executable, "-m", "ginnel"]
    words = ["server", "--listen", "127.0.0.1:0", "--state", str(home / "state"), "--allow-private"]
    with (
        Program("the origin", [load, "origin", "--listen", "127.0.0.1:0"]) as origin,
        Program("ginnel server", [*python, *words], around) as server,
    ):
        # The link travels by environment: the arguments of a process are open to everybody on the machine.
        around |= {"GINNEL_LINK": server.wait_line("ginnel://")}
        with Program("ginnel client", [*python, "client", "-D", "127.0.0.1:0"], around) as client:
            socks = client.wait_line("socks5 ").removeprefix("socks5 ")
            listening = origin.wait_line("listening ").removeprefix("listening ")
            yield Tunnel({"client": client.pid, "server": server.pid}, socks, listening)


def sample(
    perf: str, load: str, tunnel: Tunnel, work: str, seconds: float, directory: Path
) -> dict[str, Path]:
    """Let the tunnel work, and take samples of both ends at once; the recordings by the name of an end."""
    recordings = {end: directory / f"{work}-{end}.perf" for end in tunnel.ends}
    way = ["--via", f"socks5://{tunnel.socks}", "--target", tunnel.origin]
    # A second of work is left when the last sample is taken, else the end of a run would be in the picture.
    times = ["--seconds", f"{seconds + 1:g}", "--warmup", f"{WARM_UP:g}"]
    with contextlib.ExitStack() as ended:
        worker = subprocess.Popen([load, "run", *way, *WORKS[work], *times], stdout=subprocess.DEVNULL)
        ended.callback(end, worker)
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.wait(WARM_UP)
        takers = []
        for name, process in tunnel.ends.items():
            command = [*record(perf, recordings[name]), "-p", str(process), "--", "sleep", f"{seconds:g}"]
            takers.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
            ended.callback(end, takers[-1])
        for taker in takers:
            if taker.wait(seconds + LATE):
                raise BenchError(f"perf has failed with {taker.returncode}")
        if worker.wait(LATE):
            raise BenchError("the load has failed: what it says stands above")
    return recordings


def end(process: subprocess.Popen[bytes]) -> None:
    """Whatever is left of it goes."""
    if process.poll() is None:
        process.kill()
    process.wait()


def draw(perf: str, load: str, recording: Path, title: str, graph: Path) -> None:
    """Make a flame graph of a recording. BenchError with the words of whoever could not."""
    samples = recording.with_suffix(".txt")
    with samples.open("wb") as out:
        printed = subprocess.run(
            [perf, "script", "-i", str(recording)], stdout=out, stderr=subprocess.PIPE, check=False
        )
    if printed.returncode:
        raise BenchError(f"perf script: {printed.stderr.decode(errors='replace').strip()}")
    with samples.open("rb") as source:
        drawn = subprocess.run(
            [load, "flame", "--title", title], stdin=source, capture_output=True, check=False
        )
    if drawn.returncode:
        raise BenchError(drawn.stderr.decode(errors="replace").strip())
    graph.parent.mkdir(parents=True, exist_ok=True)
    graph.write_bytes(drawn.stdout)


def profile(package: Path, load: str, seconds: float, out: Path) -> list[Path]:
    """Make all graphs. BenchError says what went wrong."""
    perf = check_perf(shutil.which("perf"))
    if not list(package.glob("ginnel/_engine*.so")):
        raise BenchError(f"{package} has no ginnel with a native module in it: make profile builds one")
    graphs = []
    with tempfile.TemporaryDirectory(prefix="ginnel-profile-") as directory:
        for work in WORKS:
            with running(package, load, Path(directory, work)) as tunnel:
                recordings = sample(perf, load, tunnel, work, seconds, Path(directory))
                # While its processes live: perf asks them for the names of what has no file.
                for name, recording in recordings.items():
                    graphs.append(out / f"profile-{work}-{name}.svg")
                    draw(perf, load, recording, f"{work}: ginnel {name}, {seconds:g} s", graphs[-1])
    return graphs


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 when there is a profile, 1 when not, 130 for Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="profile", description="Make flame graphs of both ends of a tunnel."
    )
    parser.add_argument(
        "--package", type=Path, required=True, help="the directory that has the package ginnel"
    )
    parser.add_argument("--load", required=True, help="the program ginnel-load")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long samples are taken of each run")
    parser.add_argument("--out", type=Path, default=Path("bench/out"), help="where the graphs go")
    given = parser.parse_args(arguments)
    try:
        for graph in profile(given.package.resolve(), given.load, given.seconds, given.out):
            print(graph)
    except BenchError as error:
        print(f"profile: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
