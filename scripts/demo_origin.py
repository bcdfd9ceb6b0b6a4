"""An HTTP origin on loopback whose bodies and their hashes are known: `python -m scripts.demo_origin [MIB]`.

It writes one line of JSON, `{"port": 1234, "files": {"1KiB": [1024, "sha256…"], …}}`, and serves until SIGTERM.
It must not be the slow part of a measurement: every body is built beforehand and leaves in one `sendall`.
"""

import hashlib
import json
import random
import signal
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MIB = 1 << 20
DEFAULT_LARGE_MIB = 256


def make_body(size: int) -> bytes:
    """`size` pseudo-random bytes, the same in every run, which no compression on the way makes smaller."""
    source = random.Random(size)
    return b"".join(source.randbytes(min(MIB, size - start)) for start in range(0, size, MIB))


def make_bodies(large_mib: int) -> dict[str, bytes]:
    """The files by name: small, middle and large."""
    sizes = {"1KiB": 1 << 10, "1MiB": MIB, f"{large_mib}MiB": large_mib * MIB}
    return {name: make_body(size) for name, size in sizes.items()}


class Origin(ThreadingHTTPServer):
    """Serves `bodies` under their names on a port of the system's choice."""

    daemon_threads = True

    def __init__(self, bodies: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), OriginHandler)
        self.bodies = bodies


class OriginHandler(BaseHTTPRequestHandler):
    """One GET, one body, end of the connection."""

    server: Origin

    def do_GET(self) -> None:
        """Send the whole body, or 404."""
        body = self.server.bodies.get(self.path.removeprefix("/"))
        if body is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the demonstration shows its own table."""


def main(large_mib: int) -> None:
    """Serve until SIGTERM, then end with 0."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    bodies = make_bodies(large_mib)
    with Origin(bodies) as origin:
        files = {name: [len(body), hashlib.sha256(body).hexdigest()] for name, body in bodies.items()}
        print(json.dumps({"port": origin.server_port, "files": files}), flush=True)
        origin.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_LARGE_MIB)
