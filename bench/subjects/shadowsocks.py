"""shadowsocks-rust with aes-128-gcm, its fastest cipher where the processor has AES."""

import contextlib
import json
import secrets
from collections.abc import Iterator

from bench.places import LOOPBACK
from bench.subjects.base import Lab, Running, Subject, first_line, path_of, start_peer, write_secret

METHOD = "aes-128-gcm"


class Shadowsocks(Subject):
    """`ssserver` and `sslocal`."""

    key = "shadowsocks"
    title = "shadowsocks-rust"
    needs = "ssserver", "sslocal"

    def version(self) -> str | None:
        """The line of `ssserver --version`."""
        return first_line(path_of("ssserver"), "--version")

    @contextlib.contextmanager
    def running(self, lab: Lab) -> Iterator[Running]:
        """Both ends with one configuration; what is for the other end they leave alone."""
        port, socks = lab.ends.server.free_port(), lab.ends.client.free_port()
        config = {
            "server": lab.ends.server.address,
            "server_port": port,
            "local_address": LOOPBACK,
            "local_port": socks,
            "password": secrets.token_urlsafe(),
            "method": METHOD,
        }
        path = str(write_secret(lab.home(self.key) / "config.json", json.dumps(config)))
        with start_peer(lab, "server", "ssserver", path_of("ssserver"), "-c", path) as server:
            server.wait_socket(port)
            with start_peer(lab, "client", "sslocal", path_of("sslocal"), "-c", path) as client:
                client.wait_socket(socks)
                yield Running(f"socks5://{LOOPBACK}:{socks}", server=[server], client=[client])
