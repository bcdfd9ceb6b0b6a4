"""microsocks: a SOCKS server without a tunnel, so one hop and no encryption."""

import contextlib
from collections.abc import Iterator

from bench.subjects.base import Lab, Running, Subject, path_of, start_peer


class Microsocks(Subject):
    """One SOCKS hop at the server's end."""

    key = "microsocks"
    title = "microsocks, one hop"
    needs = ("microsocks",)

    @contextlib.contextmanager
    def running(self, lab: Lab) -> Iterator[Running]:
        """It has no word for readiness and none for its version."""
        address, port = lab.ends.server.address, lab.ends.server.free_port()
        words = [path_of("microsocks"), "-i", address, "-p", str(port)]
        with start_peer(lab, "server", "microsocks", *words) as server:
            server.wait_socket(port)
            yield Running(f"socks5://{address}:{port}", server=[server])
