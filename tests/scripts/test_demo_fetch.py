"""Both ways to fetch, against a real origin and a SOCKS5 proxy."""

import contextlib
import hashlib
import shutil
import socket
import threading
from collections.abc import Callable

import pytest

from scripts import demo_fetch
from scripts.demo_fetch import Address, Fetched, FetchError, fetch_with_curl, fetch_with_sockets
from scripts.demo_origin import Origin

Fetch = Callable[[Origin, str, int, Address | None], Fetched]


def with_curl(origin: Origin, path: str, size: int, proxy: Address | None) -> Fetched:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl on this machine")
    return fetch_with_curl(curl, f"http://127.0.0.1:{origin.server_port}/{path}", size, proxy)


def with_sockets(origin: Origin, path: str, size: int, proxy: Address | None) -> Fetched:
    return fetch_with_sockets("127.0.0.1", origin.server_port, path, size, proxy)


both = pytest.mark.parametrize("fetch", [with_curl, with_sockets])


@both
@pytest.mark.parametrize("name", ["1KiB", "1MiB"])
@pytest.mark.parametrize("tunnel", [True, False])
def test_a_file_arrives(origin: Origin, proxy: Address, fetch: Fetch, name: str, tunnel: bool) -> None:
    body = origin.bodies[name]
    fetched = fetch(origin, name, len(body), proxy if tunnel else None)
    assert fetched.size == len(body)
    assert fetched.sha256 == hashlib.sha256(body).hexdigest()
    assert 0 <= fetched.first_byte <= fetched.seconds


@both
@pytest.mark.parametrize("size", [1023, 1025])
def test_a_wrong_length_is_an_error(origin: Origin, proxy: Address, fetch: Fetch, size: int) -> None:
    with pytest.raises(FetchError, match=f" of {size} bytes"):
        fetch(origin, "1KiB", size, proxy)


@both
def test_a_missing_file_is_an_error(origin: Origin, proxy: Address, fetch: Fetch) -> None:
    with pytest.raises(FetchError, match="404"):
        fetch(origin, "missing", 5, proxy)


def test_a_name_is_left_to_the_proxy(origin: Origin, proxy: Address) -> None:
    body = origin.bodies["1KiB"]
    assert fetch_with_sockets("localhost", origin.server_port, "1KiB", len(body), proxy).size == len(body)
    assert demo_fetch.encode_host("localhost") == b"\x03\x09localhost"


@pytest.mark.parametrize(
    ("host", "encoded"), [("127.0.0.1", b"\x01\x7f\x00\x00\x01"), ("::1", b"\x04" + bytes(15) + b"\x01")]
)
def test_an_address_is_sent_as_one(host: str, encoded: bytes) -> None:
    assert demo_fetch.encode_host(host) == encoded


def test_a_refusal_of_the_proxy_is_told_in_words(proxy: Address) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, not listening: nobody answers there
        with pytest.raises(FetchError, match="connection refused"):
            fetch_with_sockets("127.0.0.1", free.getsockname()[1], "1KiB", 1024, proxy)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"\x05\x02", "without a password"),
        (b"\x05\x00\x05\x00\x00", "in the middle"),
        (b"HTTP/1.1 400", "speaks no SOCKS5"),
        (b"\x05\x00\x05\x09\x00\x01" + bytes(6), "reply 9"),
    ],
)
def test_a_strange_proxy_is_told_in_words(answer: bytes, words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_once() -> None:
            connection, _ = listener.accept()
            # The client may be gone before it has read all of a strange answer.
            with connection, contextlib.suppress(OSError):
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass

        thread = threading.Thread(target=answer_once)
        thread.start()
        with pytest.raises(FetchError, match=words):
            fetch_with_sockets("127.0.0.1", 80, "1KiB", 1024, listener.getsockname())
        thread.join()
