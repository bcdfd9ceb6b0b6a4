"""What a run has to say about where it ran."""

import datetime
import os
import platform
import re
import subprocess
from pathlib import Path

from bench.record import Machine

ROOT = Path(__file__).parent.parent
GIT_TIMEOUT = 10.0


def this_machine() -> Machine:
    """The machine that we are on. The cores are those that we may use."""
    return Machine(
        cpu=cpu_model(_read("/proc/cpuinfo")),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
    )


def cpu_model(cpuinfo: str) -> str:
    """The model in a text like /proc/cpuinfo; machines that name none get their architecture."""
    found = re.search(r"^(?:model name|Model|cpu model)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def commit() -> str | None:
    """The commit that is checked out, with a + when files differ from it; None outside a repository."""
    head = _git("rev-parse", "--short=12", "HEAD")
    return head and head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")


def now() -> datetime.datetime:
    """The time, with the local offset from UTC."""
    return datetime.datetime.now().astimezone().replace(microsecond=0)


def load_average() -> float | None:
    """Of the last minute."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _git(*words: str) -> str | None:
    try:
        done = (
            subprocess.run(  # the repository is the one that this file lies in, whoever calls from wherever
                ["git", "-C", str(ROOT), *words],
                capture_output=True,
                text=True,
                timeout=GIT_TIMEOUT,
                check=True,
            )
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
