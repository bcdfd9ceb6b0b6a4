"""The origin: known bodies, and an end that is clean."""

import hashlib
import http.client

import pytest

from scripts.demo_origin import MIB, Origin, make_bodies, make_body


def test_bodies_have_their_size_and_are_the_same_in_every_run() -> None:
    bodies = make_bodies(2)
    assert {name: len(body) for name, body in bodies.items()} == {"1KiB": 1024, "1MiB": MIB, "2MiB": 2 * MIB}
    assert make_body(1024) == bodies["1KiB"]


def test_no_part_of_a_body_repeats() -> None:
    body = make_body(4 * MIB)
    assert (
        len({hashlib.sha256(body[start : start + MIB]).digest() for start in range(0, len(body), MIB)}) == 4
    )


@pytest.mark.parametrize(("path", "status"), [("/1KiB", 200), ("/2KiB", 404), ("/", 404)])
def test_a_file_is_served_whole_and_nothing_else(origin: Origin, path: str, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", origin.server_port, timeout=10)
    connection.request("GET", path)
    with connection.getresponse() as response:
        body = response.read()
    connection.close()
    assert response.status == status
    if status == 200:
        assert body == origin.bodies["1KiB"]
