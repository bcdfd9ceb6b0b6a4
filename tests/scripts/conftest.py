"""What the tests of the scripts share: an origin, and a SOCKS5 proxy."""

import os
import sys
import threading
from collections.abc import Iterator

import pytest

from scripts.demo import parse_address
from scripts.demo_fetch import Address
from scripts.demo_origin import MIB, Origin, make_body
from scripts.demo_program import Program
from tests.scripts import fake_ginnel


@pytest.fixture(scope="session")
def origin() -> Iterator[Origin]:
    """Serves /1KiB and /1MiB."""
    with Origin({"1KiB": make_body(1 << 10), "1MiB": make_body(MIB)}) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def proxy() -> Iterator[Address]:
    """A SOCKS5 proxy without a password, in a process of its own."""
    command = [sys.executable, str(fake_ginnel.__file__), "client"]
    with Program("the proxy", command, os.environ | {"GINNEL_LINK": fake_ginnel.LINK}) as program:
        yield parse_address(program.wait_line("socks5 ", 30).removeprefix("socks5 "))
