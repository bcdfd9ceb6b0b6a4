"""A program that the benchmark starts: what it says, how it gets ready, how it ends with all that it has started."""

import io
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self

from bench import processes
from bench.interrupts import INTERRUPTS
from scripts.demo_program import Output, without_secrets

START_TIMEOUT = 30.0
"""Seconds a program may take until it is ready."""
STOP_TIMEOUT = 6.0
"""Seconds a program may take to end after SIGTERM: ginnel promises 5."""
POLL_SECONDS = 0.02
"""How often a program is looked at that does not say when it is ready."""
LAST_WORDS = 3
"""Lines of its standard error that an error repeats."""


_RUNNING: set["Program"] = set()


class BenchError(Exception):
    """Something that was to be measured could not be; the message is for the report."""


def environment(home: Path, **more: str) -> dict[str, str]:
    """An environment that cannot touch the user's own files, nor be touched by the user's settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GINNEL_", "XDG_"))}
    return kept | {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "NO_COLOR": "1", "TERM": "dumb"} | more


class Program:
    """A running program; leaving its `with` ends it, however it stands.

    With a `log`, all that it says goes into that file and nobody waits for its lines: for programs that write one for
    each connection, which would cost us the time that we measure.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        log: Path | None = None,
    ) -> None:
        self.name = name
        self._tree: dict[int, str] = {}
        self._log = log
        with INTERRUPTS.held(), open(log or os.devnull, "ab") as file:
            try:
                # A session of its own: Ctrl-C reaches the benchmark alone, which then ends the others in order.
                self._process: subprocess.Popen[str] = subprocess.Popen(
                    command,
                    env=environment,
                    stdin=stdin,
                    stdout=file if log else stdout,
                    stderr=file if log else subprocess.PIPE,
                    text=True,
                    errors="replace",
                    start_new_session=True,
                )
            except OSError as error:
                raise BenchError(f"{name} cannot be started: {error.strerror}: {command[0]}") from None
            self.output = _output(self._process.stdout)
            self.errors = _output(self._process.stderr)
            _RUNNING.add(self)

    @property
    def pid(self) -> int:
        """Its process id; `ip netns exec` turns into the program that it starts."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def pids(self) -> list[int]:
        """Its process and all that it has started."""
        found = processes.tree(self.pid)
        for pid in found:
            if pid not in self._tree and (since := processes.started(pid)):
                self._tree[pid] = since
        return found

    def wait_line(self, prefix: str, timeout: float | None = None, *, errors: bool = False) -> str:
        """The first line on standard output (or error) that begins with `prefix`. BenchError when none comes."""
        line = (self.errors if errors else self.output).wait(
            prefix, START_TIMEOUT if timeout is None else timeout
        )
        if line is None:
            raise self.failure(f"did not say '{prefix.strip()}'")
        return line

    def wait_socket(self, port: int, protocol: str = "tcp", timeout: float | None = None) -> None:
        """Wait until somebody listens at `port` where this program runs, for programs that do not say so."""
        end = time.monotonic() + (START_TIMEOUT if timeout is None else timeout)
        while not processes.has_socket(self.pid, port, protocol):
            if not self.alive or time.monotonic() > end:
                raise self.failure(f"did not open {protocol} port {port}")
            time.sleep(POLL_SECONDS)

    def wait_end(self, timeout: float) -> list[str]:
        """All lines of standard output, once it has ended with 0. BenchError, and it is killed, when it does not."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.stop(patience=0)
            raise BenchError(f"{self.name} did not end within {timeout:.0f} s") from None
        self.output.join()
        if code != 0:
            raise self.failure("failed")
        return self.output.lines()

    def send_signal(self, number: int) -> None:
        """Send a signal; nothing happens if it has ended."""
        self._process.send_signal(number)

    def close_stdin(self) -> None:
        """End its standard input, if it has one of ours."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def write_line(self, line: str) -> None:
        """Write a line to its standard input and end that. BenchError when it has ended already."""
        if self._process.stdin is None:
            raise BenchError(f"{self.name} has no standard input")
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.close()
        except BrokenPipeError:
            raise self.failure("took no input") from None

    def failure(self, what: str) -> BenchError:
        """An error about this program, with its exit code and its last words."""
        if not self.alive:
            self.errors.join()
            what += f"; it ended with {self._process.returncode}"
        lines = self._log.read_text(errors="replace").splitlines() if self._log else self.errors.lines()
        said = [line.strip() for line in lines if line.strip()][-LAST_WORDS:]
        words = f": {without_secrets(' / '.join(said))}" if said else ""
        return BenchError(f"{self.name} {what}{words}")

    def stop(self, patience: float = STOP_TIMEOUT) -> None:
        """SIGTERM, after `patience` seconds SIGKILL; then also for what it had started and that outlived it."""
        self.pids()
        if patience:
            self._process.terminate()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pid, since in self._tree.items():
            processes.kill(pid, since)
        self.close_stdin()
        _RUNNING.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with INTERRUPTS.held():
            self.stop()


def stop_all() -> None:
    """End whatever still runs: what a signal let slip between a start and its `with`."""
    for program in list(_RUNNING):
        program.stop()


def _output(stream: IO[str] | None) -> Output:
    return Output(stream or io.StringIO(), lambda: None)
