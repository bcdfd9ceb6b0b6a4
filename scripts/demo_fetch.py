"""Fetch one file over HTTP, through a SOCKS5 proxy or not: with curl where there is one, else with our own client.

The body goes into memory and is hashed after the clock has stopped, so that neither disk nor hash is measured.
"""

import hashlib
import ipaddress
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass

TIMEOUT = 120.0
"""Seconds a whole fetch may take."""
MAX_HEAD = 16 * 1024
"""Bytes of an HTTP head; a longer one is an error."""
READ_SIZE = 1 << 20

SOCKS5_REPLIES = {
    1: "general failure",
    2: "not allowed",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
    7: "command not supported",
    8: "address type not supported",
}
"""What the reply codes of RFC 1928, section 6, mean."""

Address = tuple[str, int]


class FetchError(Exception):
    """The file did not arrive; the message says where it failed."""


@dataclass(frozen=True)
class Fetched:
    """One file that arrived, and how fast."""

    size: int
    sha256: str
    first_byte: float
    """Seconds from the start, before the connection to the proxy, to the first byte of the answer."""
    seconds: float
    """Seconds from the start to the last byte."""


def fetch(host: str, port: int, path: str, size: int, proxy: Address | None) -> Fetched:
    """Fetch `http://host:port/path`, of which `size` bytes are expected. Raises FetchError."""
    curl = shutil.which("curl")
    if curl:
        return fetch_with_curl(curl, f"http://{host}:{port}/{path}", size, proxy)
    return fetch_with_sockets(host, port, path, size, proxy)


def fetch_with_curl(curl: str, url: str, size: int, proxy: Address | None) -> Fetched:
    """Fetch with curl, whose own clock is used. Raises FetchError with curl's words."""
    # -q: the user's .curlrc is not part of the demonstration; --noproxy: nor is no_proxy=127.0.0.1.
    command = [curl, "-q", "--silent", "--show-error", "--fail", "--max-time", str(TIMEOUT)]
    command += ["--socks5-hostname", "{}:{}".format(*proxy), "--noproxy", ""] if proxy else ["--noproxy", "*"]
    command += ["--write-out", "%{stderr}%{time_starttransfer} %{time_total}", url]
    body, length = bytearray(size + 1), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        if process.stdout is None or process.stderr is None:
            raise FetchError("curl has no output")  # asked for right above; the type checker cannot know
        with memoryview(body) as view:
            while length < len(view) and (count := process.stdout.readinto(view[length:])):  # type: ignore[attr-defined]  # bufsize=0 makes it a FileIO
                length += count
        process.stdout.close()
        words = process.stderr.read().decode(errors="replace").strip()
    if process.returncode or length != size:
        raise FetchError(f"{url}: {length} of {size} bytes; curl ended with {process.returncode}: {words}")
    first_byte, seconds = (float(number) for number in words.split())
    del body[size:]
    return Fetched(size, hashlib.sha256(body).hexdigest(), first_byte, seconds)


def fetch_with_sockets(host: str, port: int, path: str, size: int, proxy: Address | None) -> Fetched:
    """Fetch with the standard library's sockets alone. Raises FetchError."""
    start = time.monotonic()
    try:
        with socket.create_connection(proxy or (host, port), TIMEOUT) as connection:
            if proxy:
                socks5_connect(connection, host, port)
            request = f"GET /{path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
            connection.sendall(request.encode())
            body = bytearray(connection.recv(READ_SIZE))
            first_byte = time.monotonic() - start
            while (
                (end := body.find(b"\r\n\r\n")) < 0
                and len(body) < MAX_HEAD
                and (more := connection.recv(READ_SIZE))
            ):
                body += more
            status = bytes(body[: max(end, 0)]).split(b"\r\n")[0].decode(errors="replace")
            if " 200 " not in status + " ":
                raise FetchError(f"{host}:{port}/{path}: the answer is {status!r}, not 200")
            del body[: end + 4]
            while len(body) <= size and (more := connection.recv(READ_SIZE)):
                body += more
            seconds = time.monotonic() - start
    except OSError as error:
        raise FetchError(f"{host}:{port}/{path}: {error}") from error
    if len(body) != size:
        raise FetchError(f"{host}:{port}/{path}: {len(body)} of {size} bytes")
    return Fetched(size, hashlib.sha256(body).hexdigest(), first_byte, seconds)


def socks5_connect(connection: socket.socket, host: str, port: int) -> None:
    """Ask the SOCKS5 proxy at the other end for a connection to `host` (RFC 1928, sections 3 to 6)."""
    connection.sendall(b"\x05\x01\x00")  # one method: no authentication
    if read_exactly(connection, 2) != b"\x05\x00":
        raise FetchError("the proxy speaks no SOCKS5 without a password")
    connection.sendall(b"\x05\x01\x00" + encode_host(host) + port.to_bytes(2))
    _, reply, _, kind = read_exactly(connection, 4)
    if reply:
        raise FetchError(f"the proxy refuses {host}:{port}: {SOCKS5_REPLIES.get(reply, f'reply {reply}')}")
    length = {1: 4, 4: 16}.get(kind) or read_exactly(connection, 1)[0]
    read_exactly(connection, length + 2)


def encode_host(host: str) -> bytes:
    """Address type and address, RFC 1928 section 5; a name stays a name, for the far end to resolve."""
    try:
        packed = ipaddress.ip_address(host).packed
    except ValueError:
        name = host.encode("idna")
        return bytes([3, len(name)]) + name
    return bytes([1 if len(packed) == 4 else 4]) + packed


def read_exactly(connection: socket.socket, count: int) -> bytes:
    """The next `count` bytes; FetchError when the proxy ends before them."""
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise FetchError("the proxy closed the connection in the middle of its answer")
        data += more
    return data
