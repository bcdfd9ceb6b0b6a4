"""The library and the process it lives in: signals, forks, the end of the interpreter. Each in a process of its own."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from .process import Process
from .program import environment

BEGIN = """
import asyncio, os, signal, sys, time
import ginnel

state = sys.argv[1]

def started():
    return ginnel.Server(listen="127.0.0.1:0", state=state, allow_private=True)
"""


def script(tmp_path: Path, body: str) -> Process:
    """Run a program that has the library imported and a server at hand."""
    return Process([sys.executable, "-c", BEGIN + body, str(tmp_path / "state")], env=environment(tmp_path))


def test_importing_does_nothing(tmp_path: Path) -> None:
    """No thread, no socket, no engine."""
    process = script(
        tmp_path,
        """
import threading
assert threading.active_count() == 1
assert len(os.listdir("/proc/self/task")) == 1
assert "ginnel._engine" not in sys.modules
assert not os.path.exists(state)
""",
    )
    assert process.wait(20) == 0, process.describe()


@pytest.mark.parametrize("waiting", ["await asyncio.sleep(600)", "await client.open_connection(*silent)"])
def test_ctrl_c_works_at_once(tmp_path: Path, waiting: str) -> None:
    """As in any asyncio program: KeyboardInterrupt, after everything was closed."""
    process = script(
        tmp_path,
        f"""
import socket
listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen(0)
silent = listener.getsockname()
fillers = [socket.socket() for _ in range(4)]
for filler in fillers:
    filler.setblocking(False); filler.connect_ex(silent)

async def main():
    async with started() as server, ginnel.Client(server.share_link()) as client:
        print("ready", flush=True)
        {waiting}

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted", flush=True)
""",
    )
    process.wait_line("ready")
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0, process.describe()
    assert process.stdout == ["ready", "interrupted"], process.describe()


def test_a_forked_child_gets_a_clear_error(tmp_path: Path) -> None:
    """Not a hang, and the parent's link does not suffer."""
    process = script(
        tmp_path,
        """
async def main():
    async with started() as server, ginnel.Client(server.share_link()) as client:
        await client.ping()
        child = os.fork()
        if child == 0:
            asyncio.events._set_running_loop(None)
            try:
                asyncio.run(client.ping())
                print("no error", flush=True)
            except ginnel.GinnelError as error:
                print(f"{type(error).__name__}: {error}", flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        await client.ping()

asyncio.run(main())
""",
    )
    assert process.wait(30) == 0, process.describe()
    assert len(process.stdout) == 1
    assert "EngineError" in process.stdout[0], process.describe()
    assert "fork" in process.stdout[0], process.describe()


@pytest.mark.parametrize("how", ["os._exit(0)", "sys.exit(0)", "return"])
def test_a_program_that_forgets_to_close_ends_all_the_same(tmp_path: Path, how: str) -> None:
    process = script(
        tmp_path,
        f"""
async def main():
    server = started()
    await server.start()
    client = ginnel.Client(server.share_link())
    await client.start()
    await client.socks5("127.0.0.1:0")
    {how}

asyncio.run(main())
""",
    )
    assert process.wait(20) == 0, process.describe()


def test_a_second_loop_after_the_first(tmp_path: Path) -> None:
    """Server and client can be had again in the same process, with the same state."""
    process = script(
        tmp_path,
        """
async def main():
    async with started() as server, ginnel.Client(server.share_link()) as client:
        print(await client.ping() > 0, flush=True)

for _ in range(3):
    asyncio.run(main())
""",
    )
    assert process.wait(30) == 0, process.describe()
    assert process.stdout == ["True"] * 3
