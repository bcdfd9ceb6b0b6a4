"""Standard output of a running service."""

import asyncio
import contextlib
import os
import sys

import pytest

from ginnel.cli._output import send
from ginnel.cli._terminal import Terminal


@pytest.mark.timeout(20)
async def test_a_line_that_nobody_takes_can_be_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writer, b"." * 4096):
            pass
    os.set_blocking(writer, True)
    with os.fdopen(reader, "rb") as taken, os.fdopen(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        sending = asyncio.create_task(send(Terminal(), "line"))
        done, _ = await asyncio.wait({sending}, timeout=0.5)
        assert not done
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        said = b""
        while not said.endswith(b"line\n"):
            said += os.read(taken.fileno(), 4096)
