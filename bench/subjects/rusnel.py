"""rusnel: a tunnel over ordinary QUIC."""

import contextlib
import subprocess
from collections.abc import Iterator

from bench.places import LOOPBACK
from bench.subjects.base import VERSION_TIMEOUT, Lab, Running, Subject, first_line, path_of, start_peer

INSECURE = "--insecure"
"""Later versions want to be told that nobody's certificate is checked; earlier ones never checked any."""


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
        more = [INSECURE] if knows_insecure(program) else []
        words = ["server", "--host", address, "--port", str(port), *more]
        with start_peer(lab, "server", "rusnel server", program, *words) as server:
            server.wait_socket(port, "udp")
            words = ["client", *more, f"{address}:{port}", f"{LOOPBACK}:{socks}:socks"]
            with start_peer(lab, "client", "rusnel client", program, *words) as client:
                client.wait_socket(socks)
                yield Running(f"socks5://{LOOPBACK}:{socks}", server=[server], client=[client])


def knows_insecure(program: str) -> bool:
    """Whether this version has the flag."""
    command = [program, "server", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=VERSION_TIMEOUT)
    return INSECURE in done.stdout
