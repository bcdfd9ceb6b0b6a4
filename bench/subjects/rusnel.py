"""rusnel: a tunnel over ordinary QUIC."""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence

from bench.places import LOOPBACK
from bench.subjects.base import VERSION_TIMEOUT, Lab, Running, Subject, first_line, path_of, start_peer

SERVER_FLAGS = "--insecure", "--allow-socks", "--no-admin-socket"
CLIENT_FLAGS = "--insecure", "--no-admin-socket"
"""What later versions want to be told before they do as earlier ones: check no certificate, and serve SOCKS."""


class Rusnel(Subject):
    """`rusnel server` and `rusnel client … socks`."""

    key = "rusnel"
    title = "rusnel"
    needs = ("rusnel",)

    def version(self) -> str | None:
        """The line of `rusnel --version`."""
        return first_line(path_of("rusnel"), "--version")

    @contextlib.contextmanager
    def running(self, lab: Lab) -> Iterator[Running]:
        """A server, and a client with a SOCKS listener."""
        program, address = path_of("rusnel"), lab.ends.server.address
        port, socks = lab.ends.server.free_port(), lab.ends.client.free_port()
        words = ["server", "--host", address, "--port", str(port), *known(program, "server", SERVER_FLAGS)]
        with start_peer(lab, "server", "rusnel server", program, *words) as server:
            server.wait_socket(port, "udp")
            more = known(program, "client", CLIENT_FLAGS)
            words = ["client", *more, f"{address}:{port}", f"{LOOPBACK}:{socks}:socks"]
            with start_peer(lab, "client", "rusnel client", program, *words) as client:
                client.wait_socket(socks)
                yield Running(f"socks5://{LOOPBACK}:{socks}", server=[server], client=[client])


def known(program: str, command: str, flags: Sequence[str]) -> list[str]:
    """Those flags that this version has."""
    words = [program, command, "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=VERSION_TIMEOUT)
    return [flag for flag in flags if flag in done.stdout.split()]
