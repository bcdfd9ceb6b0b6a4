"""kcptun: a forward to one target over KCP, the peer of ginnel's own KCP session."""

import contextlib
import json
import secrets
from collections.abc import Iterator

from bench.places import LOOPBACK
from bench.programs import BenchError
from bench.subjects.base import Lab, Running, Subject, find, first_line, start_peer, write_secret

CLIENT = "kcptun-client", "client_linux_amd64", "client_linux_arm64"
SERVER = "kcptun-server", "server_linux_amd64", "server_linux_arm64"
"""What packages call the two programs, and what they are called in the archives of a release."""

SETTINGS = {
    "crypt": "aes-128-gcm",
    "mode": "fast3",
    # As it comes it would compress, and the load's bytes are no measure of that.
    "nocomp": True,
    # No line in its log for each connection.
    "quiet": True,
}


class Kcptun(Subject):
    """The forward leads straight to the origin: there is no SOCKS in it, and no further hop."""

    key = "kcptun"
    title = "kcptun, fast3"

    def missing(self) -> str | None:
        """One of the programs, under none of its names."""
        absent = [names[0] for names in (CLIENT, SERVER) if _found(names) is None]
        return f"{', '.join(absent)} not installed" if absent else None

    def version(self) -> str | None:
        """The line of its client's `--version`."""
        return first_line(_path(CLIENT), "--version")

    @contextlib.contextmanager
    def running(self, lab: Lab) -> Iterator[Running]:
        """Both ends with one configuration; what is for the other end they leave alone."""
        if lab.origin is None:
            raise BenchError("kcptun leads to one target, and there is none")
        address, port = lab.ends.server.address, lab.ends.server.free_port()
        near = lab.ends.client.free_port()
        config = SETTINGS | {
            "key": secrets.token_urlsafe(),
            "listen": f"{address}:{port}",
            "target": lab.origin,
            "remoteaddr": f"{address}:{port}",
            "localaddr": f"{LOOPBACK}:{near}",
        }
        path = str(write_secret(lab.home(self.key) / "config.json", json.dumps(config)))
        with start_peer(lab, "server", "kcptun server", _path(SERVER), "-c", path) as server:
            server.wait_socket(port, "udp")
            with start_peer(lab, "client", "kcptun client", _path(CLIENT), "-c", path) as client:
                client.wait_socket(near)
                yield Running("direct", server=[server], client=[client], forward=f"{LOOPBACK}:{near}")


def _found(names: tuple[str, ...]) -> str | None:
    return next((path for name in names if (path := find(name))), None)


def _path(names: tuple[str, ...]) -> str:
    path = _found(names)
    if path is None:
        raise BenchError(f"{names[0]} not installed")
    return path
