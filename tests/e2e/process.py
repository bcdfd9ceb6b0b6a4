"""Processes under test: everything they say is kept, they are waited for by their words, and none outlives its test."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, Self

from .namespace import Namespace

START_LIMIT = 20.0
"""Seconds a program may take until its readiness line; generous, because the machine may be busy with a build."""

STOP_LIMIT = 5.0
"""Seconds from a signal to the end of a program: a promise of the command line, not a guess."""

RECENT: deque[Process] = deque(maxlen=64)
"""The processes that a failing test shows; the bound keeps a long run from holding every word ever said."""


class Process:
    """One running program and all that it wrote.

    As a context manager it is stopped at the end with SIGINT and must then exit with 0; when the body failed it is
    killed, so that the body's error is the one that is seen.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        namespace: Namespace | None = None,
    ) -> None:
        # `ip netns exec` turns into the program that it starts, so that its process id is the program's.
        self.argv = [*(namespace.wrap if namespace else ()), *argv]
        self.ended: float | None = None
        self._said: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._open_pipes = 2
        self._changed = threading.Condition()
        # A session of its own: a Ctrl-C at the terminal reaches the test run alone, which stops its programs.
        self._popen = subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ if env is None else env),
            encoding="utf-8",
            errors="backslashreplace",
            start_new_session=True,
        )
        RECENT.append(self)
        atexit.register(self.kill)
        for name, pipe in (("stdout", self._popen.stdout), ("stderr", self._popen.stderr)):
            assert pipe is not None
            threading.Thread(target=self._listen, args=(name, pipe), daemon=True).start()
        if stdin is not None:
            assert self._popen.stdin is not None
            try:
                self._popen.stdin.write(stdin)
                self._popen.stdin.close()
            except BrokenPipeError:
                pass  # It ended before it read; whoever waits for it says so with its error output.

    def _listen(self, name: str, pipe: IO[str]) -> None:
        for line in pipe:
            with self._changed:
                self._said[name].append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._open_pipes -= 1
            self._changed.notify_all()
        pipe.close()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._popen.poll()

    @property
    def stdout(self) -> list[str]:
        """All lines of standard output so far."""
        with self._changed:
            return list(self._said["stdout"])

    @property
    def stderr(self) -> str:
        """All of standard error so far."""
        with self._changed:
            return "\n".join(self._said["stderr"])

    def describe(self) -> str:
        """What ran, how it ended and all it said: the text below a failed test."""
        state = "running" if self.alive else f"exit code {self._popen.returncode}"
        out = "\n".join(self.stdout)
        return f"$ {' '.join(self.argv)}    ({state})\n--- stdout\n{out}\n--- stderr\n{self.stderr}"

    def wait_line(self, prefix: str, *, limit: float = START_LIMIT) -> str:
        """The first line of standard output that begins with `prefix`; AssertionError if it ends or stays silent."""

        def found() -> str | None:
            return next((line for line in self._said["stdout"] if line.startswith(prefix)), None)

        with self._changed:
            self._changed.wait_for(lambda: found() is not None or self._open_pipes == 0, limit)
            line = found()
        if line is None:
            raise AssertionError(f"no line {prefix!r} within {limit} s\n{self.describe()}")
        return line

    def wait_stdout(self, count: int, *, limit: float = START_LIMIT) -> list[str]:
        """The first `count` lines of standard output; AssertionError if it ends or stays silent."""
        said = self._said["stdout"]
        with self._changed:
            self._changed.wait_for(lambda: len(said) >= count or self._open_pipes == 0, limit)
            lines = said[:count]
        if len(lines) < count:
            raise AssertionError(f"{len(lines)} of {count} lines within {limit} s\n{self.describe()}")
        return lines

    def wait_said(self, word: str, *, times: int = 1, limit: float = START_LIMIT) -> str:
        """Wait until so many lines of standard error have held `word`; the last of them."""

        def found() -> list[str]:
            return [line for line in self._said["stderr"] if word in line]

        with self._changed:
            self._changed.wait_for(lambda: len(found()) >= times or self._open_pipes == 0, limit)
            lines = found()
        if len(lines) < times:
            raise AssertionError(
                f"{word!r} {len(lines)} of {times} times within {limit} s\n{self.describe()}"
            )
        return lines[times - 1]

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens if it has ended."""
        self._popen.send_signal(number)

    def wait(self, limit: float) -> int:
        """The exit code, with all output read; AssertionError after `limit` seconds (and it is killed)."""
        try:
            self._popen.wait(limit)
        except subprocess.TimeoutExpired:
            text = self.describe()
            self.kill()
            raise AssertionError(f"still running after {limit} s\n{text}") from None
        # The pipes of a process that handed them to a child stay open; that is not this process's last word.
        with self._changed:
            self._changed.wait_for(lambda: self._open_pipes == 0, 1.0)
        self._gone()
        return self._popen.returncode

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Ask it to end, and hold it to the promise: exit code 0 within `STOP_LIMIT` seconds."""
        self.send_signal(number)
        code = self.wait(STOP_LIMIT)
        assert code == 0, f"exit code {code} after {number.name}\n{self.describe()}"

    def kill(self) -> None:
        """End it at once, as a power cut would; safe to call at any time."""
        if self.alive:
            self._popen.kill()
        self._popen.wait()
        self._gone()

    def _gone(self) -> None:
        self.ended = self.ended or time.monotonic()
        atexit.unregister(self.kill)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
        elif self.alive:
            self.stop()
