"""A program that the demonstration starts: its lines, its readiness, its end."""

import re
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Self

KEPT_LINES = 200
"""Lines of each output that are kept; older ones are forgotten."""
STOP_TIMEOUT = 6.0
"""Seconds a program may take to end after SIGTERM: ginnel promises 5."""


class ProgramError(Exception):
    """A program did not do what it should; the message has its last words, without secrets."""


def without_secrets(text: str) -> str:
    """The text with every share link cut down to its scheme."""
    return re.sub(r"ginnel://[^\s'\"]+", "ginnel://…", text)


class Output:
    """The last lines of one output, which a thread of its own reads, so that the program never waits for us."""

    def __init__(self, stream: IO[str], on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                with self._changed:
                    self._lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._on_end()

    @property
    def ended(self) -> bool:
        """Whether the program has closed this output."""
        with self._changed:
            return self._ended

    def lines(self) -> list[str]:
        """What is there now."""
        with self._changed:
            return list(self._lines)

    def wait(self, prefix: str, timeout: float) -> str | None:
        """The first line that begins with `prefix`; None when the output ends or `timeout` seconds pass first."""

        def found() -> str | None:
            return next((line for line in self._lines if line.startswith(prefix)), None)

        with self._changed:
            self._changed.wait_for(lambda: self._ended or found() is not None, timeout)
            return found()

    def join(self) -> None:
        """Wait until the output has ended, which it does with its program."""
        self._thread.join(STOP_TIMEOUT)


class Program:
    """A running program; leaving its `with` ends it, and an end that is not clean is an error.

    `on_end` is called, in another thread, when the program closes its standard output.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        # A session of its own: Ctrl-C reaches the demonstration alone, which then ends the others in order.
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        if self._process.stdout is None or self._process.stderr is None:
            raise ProgramError(f"{name} has no output")  # asked for right above; the type checker cannot know
        self.output = Output(self._process.stdout, on_end)
        self.errors = Output(self._process.stderr, lambda: None)

    def wait_line(self, prefix: str, timeout: float) -> str:
        """The first line on standard output that begins with `prefix`; ProgramError when none comes."""
        start = time.monotonic()
        line = self.output.wait(prefix, timeout)
        if line is None:
            waited = time.monotonic() - start
            if self.output.ended:
                # Its last words may be on their way yet.
                self.errors.join()
            raise self.failure(f"did not write a line that begins with '{prefix}' ({waited:.0f} s)")
        return line

    def failure(self, what: str) -> ProgramError:
        """An error about this program, with what it wrote on standard error."""
        if self._process.poll() is not None:
            self.errors.join()
            what += f"; it ended with {self._process.returncode}"
        return ProgramError(f"{self.name} {what}\n{self.last_words()}")

    def last_words(self) -> str:
        """What it wrote on standard error, under a heading."""
        words = "\n".join(self.errors.lines()) or "(nothing)"
        return f"--- standard error of {self.name}:\n{without_secrets(words)}"

    def stop(self) -> None:
        """SIGTERM, then SIGKILL. ProgramError when it had ended before, ends late or not with 0."""
        # Its output ends a little before the system knows that it has ended.
        ended_before = self.output.ended
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise self.failure(f"did not end within {STOP_TIMEOUT:.0f} s of SIGTERM") from None
        except BaseException:
            self._process.kill()  # a second Ctrl-C: nobody waits any more
            raise
        if ended_before:
            raise self.failure("ended by itself")
        if self._process.returncode != 0:
            raise self.failure("did not end cleanly on SIGTERM")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            self.stop()
        except ProgramError:
            if error is None:
                raise  # else the first error is the one to show
