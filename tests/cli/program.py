"""The real program on the fake engine, in a process of its own.

`python -m tests.cli.program ARGUMENTS` is `ginnel ARGUMENTS`. In the environment: FAKE_HOLD names a command that the
engine leaves unanswered, FAKE_SILENT says that no server answers, FAKE_DIE makes the engine die after its start,
FAKE_BUSY names a port that cannot be bound.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent.parent
END_SECONDS = 30
"""Bound of a wait for an end; only a program that hangs reaches it."""


class Program:
    """A running program and its streams."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.out = _there(process.stdout)
        self.err = _there(process.stderr)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def read_err(self, word: str) -> str:
        """Read standard error up to the line with this word, which is returned."""
        for line in self.err:
            if word in line:
                return line
        raise AssertionError(f"it ended without saying {word!r}")

    def end(self) -> tuple[int, str, str]:
        """Wait for the end: the exit code, and what was still on its way."""
        out, err = self.process.communicate(timeout=END_SECONDS)
        return self.process.returncode, out, err


@contextmanager
def running(home: Path, *arguments: str, **environment: str) -> Iterator[Program]:
    """Run the program with an empty home directory."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("GINNEL", "XDG", "FAKE"))
    }
    with subprocess.Popen(
        [sys.executable, "-m", "tests.cli.program", *arguments],
        cwd=ROOT,
        # Control sockets of clients go to the home too.
        env={**kept, "HOME": str(home), "XDG_RUNTIME_DIR": str(home), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Program(process)
        finally:
            process.kill()


def _there(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def _main() -> int:
    from tests import fake_engine
    from tests.fake_engine import Engine

    sys.modules["ginnel._engine"] = fake_engine
    Engine.answer_connect = "FAKE_SILENT" not in os.environ
    Engine.rights = "FAKE_NO_RIGHTS" not in os.environ
    Engine.busy_ports = {int(port) for port in os.environ.get("FAKE_BUSY", "").split()}

    class Held(Engine):
        """An engine that begins as the environment says."""

        def __init__(self, role: str, config: object, addresses: list[tuple[str, str, int]]) -> None:
            super().__init__(role, config, addresses)
            self.hold = {os.environ.get("FAKE_HOLD", "")}
            if "FAKE_DIE" in os.environ:
                self.die()

    fake_engine.Engine = Held  # type: ignore[misc]  # the fake is ours to change
    from ginnel.cli.main import main

    return main()


if __name__ == "__main__":
    sys.exit(_main())
