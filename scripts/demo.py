"""The demonstration: real traffic, application → SOCKS5 → ginnel client → ginnel server → HTTP origin, on loopback.

`python -m scripts.demo [--stay]` starts an origin, a server and a client with fresh keys, fetches files of three
sizes through the tunnel, checks their hashes and prints a table. It ends with 0 only if everything was right.
"""

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.demo_fetch import Address, Fetched, FetchError, fetch
from scripts.demo_origin import DEFAULT_LARGE_MIB, MIB
from scripts.demo_program import Program, ProgramError, without_secrets

START_TIMEOUT = 30.0
"""Seconds until a program must say that it is ready."""
PING_TIMEOUT = 30.0
GINNEL = Path(sys.executable).with_name("ginnel")


class DemoError(Exception):
    """Something was not as it must be."""


@dataclass(frozen=True)
class File:
    """A file of the origin."""

    name: str
    size: int
    sha256: str

    @property
    def label(self) -> str:
        """The name as people write it: 256 MiB."""
        return re.sub(r"(?<=\d)(?=\D)", " ", self.name)


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    label: str
    fetched: Fetched


@dataclass(frozen=True)
class Setup:
    """What runs, once it is ready."""

    ginnel: str
    link_environment: dict[str, str]
    origin_port: int
    files: list[File]
    server: Program
    client: Program
    socks: Address
    ended: threading.Event
    """Set when one of the programs ends by itself."""


def parse_address(text: str) -> Address:
    """`127.0.0.1:1080` as a pair."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal():
        raise DemoError(f"the client names its listener {text!r}, which is not ADDRESS:PORT")
    return host.strip("[]"), int(port)


@contextlib.contextmanager
def running(ginnel: str, large_mib: int, state: str) -> Iterator[Setup]:
    """An origin, a server and a client, ready; ended in reverse order."""
    ended = threading.Event()
    environment = dict(os.environ)
    environment.pop("GINNEL_LINK", None)
    origin_command = [sys.executable, "-m", "scripts.demo_origin", str(large_mib)]
    server_command = [ginnel, "server", "--listen", "127.0.0.1:0", "--state", state, "--allow-private"]
    client_command = [ginnel, "client", "-D", "127.0.0.1:0"]
    with (
        Program("the origin", origin_command, environment, ended.set) as origin,
        Program("ginnel server", server_command, environment, ended.set) as server,
    ):
        # The link travels by environment: the arguments of a process are open to everybody on the machine.
        link = server.wait_line("ginnel://", START_TIMEOUT)
        link_environment = environment | {"GINNEL_LINK": link}
        with Program("ginnel client", client_command, link_environment, ended.set) as client:
            socks = parse_address(client.wait_line("socks5 ", START_TIMEOUT).removeprefix("socks5 "))
            facts = json.loads(origin.wait_line("{", START_TIMEOUT))
            files = [File(name, size, sha256) for name, (size, sha256) in facts["files"].items()]
            yield Setup(ginnel, link_environment, facts["port"], files, server, client, socks, ended)


def checked(setup: Setup, file: File, proxy: Address | None) -> Fetched:
    """Fetch one file; DemoError when a byte of it is wrong."""
    fetched = fetch("127.0.0.1", setup.origin_port, file.name, file.size, proxy)
    if fetched.sha256 != file.sha256:
        raise DemoError(f"{file.name} arrived damaged: its SHA-256 is {fetched.sha256}, not {file.sha256}")
    return fetched


def measure(setup: Setup) -> list[Row]:
    """Every file through the tunnel, and the largest once more without it, to see what the machine can do."""
    rows = [Row(file.label, checked(setup, file, setup.socks)) for file in setup.files]
    largest = setup.files[-1]
    return [*rows, Row(f"{largest.label}, no tunnel", checked(setup, largest, None))]


def format_table(rows: Sequence[Row]) -> list[str]:
    """The figures in columns. A rate says nothing about a file that fits into a packet, so it has none."""
    cells = [("file", "bytes", "seconds", "Mbit/s", "first byte")]
    for label, fetched in ((row.label, row.fetched) for row in rows):
        rate = f"{fetched.size * 8 / max(fetched.seconds, 1e-9) / 1e6:,.0f}" if fetched.size >= MIB else "–"
        cells.append(
            (label, f"{fetched.size:,}", f"{fetched.seconds:.3f}", rate, f"{fetched.first_byte * 1e3:.1f} ms")
        )
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in cells
    ]


def link_facts(setup: Setup) -> list[str]:
    """What the client says about its link, and a ping beside it."""
    said = [line.strip() for line in setup.client.errors.lines() if "link up" in line]
    ping = subprocess.run(
        [setup.ginnel, "ping"],
        env=setup.link_environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PING_TIMEOUT,
        check=False,
    )
    words = [line.strip() for line in (ping.stdout + ping.stderr).splitlines() if line.strip()]
    if ping.returncode:
        raise DemoError(
            "\n".join([f"ginnel ping ended with {ping.returncode}:", *map(without_secrets, words)])
        )
    return [without_secrets(line) for line in [*said[-1:], "ping", *(f"  {line}" for line in words)]]


def by_hand(setup: Setup, stay: bool) -> list[str]:
    """How to go on."""
    socks = "{}:{}".format(*setup.socks)
    if stay:
        return [
            "It stays up until Ctrl-C. In another terminal:",
            f"  curl --socks5-hostname {socks} http://127.0.0.1:{setup.origin_port}/1MiB --output /dev/null",
            f"  curl --socks5-hostname {socks} https://example.org",
        ]
    return [
        "By hand:  make demo STAY=1            the same, and it stays up",
        "          .venv/bin/ginnel server     on the machine whose network you want to use; prints a share link",
        "          .venv/bin/ginnel client     on this one; takes the link as $GINNEL_LINK, a file or an argument",
    ]


def demonstrate(ginnel: str, large_mib: int, stay: bool) -> None:
    """Run it all. Raises DemoError, FetchError or ProgramError."""
    with (
        tempfile.TemporaryDirectory(prefix="ginnel-demo-") as state,
        running(ginnel, large_mib, state) as setup,
    ):
        print(
            "application → SOCKS5 → ginnel client ⇒ ginnel server → HTTP origin, all on loopback, with fresh keys\n"
        )
        try:
            rows = measure(setup)
            facts = link_facts(setup)
        except (DemoError, FetchError) as error:
            words = [str(error), setup.client.last_words(), setup.server.last_words()]
            raise DemoError("\n".join(words)) from error
        lines = [*format_table(rows), "every hash is right", "", *facts, "", *by_hand(setup, stay)]
        # Once it says that Ctrl-C ends it, Ctrl-C is the good end.
        with contextlib.suppress(*[KeyboardInterrupt] if stay else []):
            print("\n".join(lines), flush=True)
            if stay:
                setup.ended.wait()


def interrupt(*_: object) -> None:
    """SIGTERM is a Ctrl-C: everything is ended on the way out."""
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 when all was right, 1 when not, 130 for Ctrl-C before the table."""
    parser = argparse.ArgumentParser(prog="demo", description="See ginnel work, on loopback.")
    parser.add_argument("--stay", action="store_true", help="leave it running until Ctrl-C")
    parser.add_argument("--ginnel", default=str(GINNEL), help="the program to show")
    parser.add_argument(
        "--large", type=int, default=DEFAULT_LARGE_MIB, metavar="MIB", help="size of the large file"
    )
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        demonstrate(options.ginnel, options.large, options.stay)
    except (DemoError, FetchError, ProgramError, OSError, subprocess.TimeoutExpired) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
