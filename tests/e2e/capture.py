"""What passes a device, recorded by tcpdump into a file for the judges."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from .namespace import Namespace, needs
from .process import Process

KERNEL_BUFFER = "131072"
"""KiB between the kernel and tcpdump: a transfer of these tests fits in whole."""

ASK_SECONDS = 0.1
"""Between two looks at what it has written: the kernel hands it a block that is not full after a second."""


@contextmanager
def recorded(
    space: Namespace, device: str, path: Path, *, what: str = "tcp", length: int = 0
) -> Iterator[Path]:
    """Record what passes `device` during the block; of each frame `length` bytes, 0 for all. Nothing may be missed."""
    needs("tcpdump")
    words = ["tcpdump", "-i", device, "-n", "-U", "-s", str(length), "-B", KERNEL_BUFFER, "-Z", "root"]
    with Process([*space.wrap, *words, "-w", str(path), what]) as process:
        process.wait_said("listening on")
        yield path
        _written(process)


def _written(process: Process) -> None:
    """Wait until all that the kernel has for it is in the file: at its end it would leave that behind."""
    for times in count(1):
        process.send_signal(signal.SIGUSR1)
        said = process.wait_said("received by filter", times=times)
        found = re.search(r"(\d+) packets captured, (\d+) .* filter, (\d+) .* kernel", said)
        assert found is not None, said
        assert found[3] == "0", f"tcpdump missed frames, this would prove nothing: {said}"
        if int(found[1]) >= int(found[2]):
            return
        time.sleep(ASK_SECONDS)
