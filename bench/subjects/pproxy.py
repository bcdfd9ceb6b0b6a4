"""pproxy: a proxy in pure Python, both ends with shadowsocks' aes-128-gcm between them."""

import contextlib
import importlib.util
import secrets
import sys
from collections.abc import Iterator

from bench.places import LOOPBACK
from bench.subjects.base import Lab, Running, Subject, find, first_line, start_peer

METHOD = "aes-128-gcm"


class Pproxy(Subject):
    """`pproxy` twice, as a program or as a module of this interpreter."""

    key = "pproxy"
    title = "pproxy"

    def missing(self) -> str | None:
        """Neither of them."""
        if find("pproxy") is None and importlib.util.find_spec("pproxy") is None:
            return "pproxy not installed"
        return None

    def version(self) -> str | None:
        """The line of `pproxy --version`."""
        said = first_line(*_program(), "--version")
        # It calls itself by the name of its file.
        return said and f"pproxy {said.split()[-1]}"

    @contextlib.contextmanager
    def running(self, lab: Lab) -> Iterator[Running]:
        """It takes its password from the arguments only; this one is drawn for one run and guards nothing."""
        address, port, socks = (
            lab.ends.server.address,
            lab.ends.server.free_port(),
            lab.ends.client.free_port(),
        )
        tunnel = f"ss://{METHOD}:{secrets.token_hex(8)}@{address}:{port}"
        with start_peer(lab, "server", "pproxy server", *_program(), "-l", tunnel) as server:
            server.wait_socket(port)
            words = ["-l", f"socks5://{LOOPBACK}:{socks}", "-r", tunnel]
            with start_peer(lab, "client", "pproxy client", *_program(), *words) as client:
                client.wait_socket(socks)
                yield Running(f"socks5://{LOOPBACK}:{socks}", server=[server], client=[client])


def _program() -> list[str]:
    path = find("pproxy")
    return [path] if path else [sys.executable, "-m", "pproxy"]
