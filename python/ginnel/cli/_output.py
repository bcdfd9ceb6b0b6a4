"""Standard output of a running service: while nobody takes a line, the event loop goes on and the process can end."""

import asyncio
import contextlib
import sys
import threading

from ginnel.cli._lines import write_some
from ginnel.cli._terminal import FLUSH_SECONDS, Terminal, unwritten

_AT_ONCE_SECONDS = 0.2


async def send(terminal: Terminal, line: str) -> None:
    """Write a line for scripts, after what was said before, and wait until it is taken; see `Terminal.out`."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        terminal.out(line)
        return
    # Not through the stream: a thread that waits inside of it would keep the interpreter from its end.
    data = f"{line}\n".encode(sys.stdout.encoding or "utf-8", "backslashreplace")
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    written = threading.Event()
    failures: list[OSError] = []

    def write() -> None:
        terminal.lines.flush(FLUSH_SECONDS)
        rest = data
        try:
            while rest:
                rest = rest[write_some(descriptor, rest) :]
        except OSError as error:
            failures.append(error)
        written.set()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(done.set)

    # A daemon, for which the end of the process does not wait.
    threading.Thread(target=write, name="ginnel output", daemon=True).start()
    # Who takes lines takes them at once; then no signal comes between this line and those that belong to it.
    if not written.wait(_AT_ONCE_SECONDS):
        await done.wait()
    for error in failures:
        raise error if isinstance(error, BrokenPipeError) else unwritten(error) from error
