"""`ginnel keygen`."""

import json
import re

import pytest

from tests.cli.conftest import Command
from tests.fake_engine import public_key

pytestmark = pytest.mark.usefixtures("engines")


def test_keys_by_name(run: Command) -> None:
    result = run("keygen")
    assert result.code == 0
    keys = dict(line.split() for line in result.out.splitlines())
    assert list(keys) == ["psk", "private_key", "public_key"]
    assert public_key(bytes.fromhex(keys["private_key"])).hex() == keys["public_key"]
    assert json.loads(run("keygen", "--json").out).keys() == keys.keys()


def test_a_secret_alone_and_never_twice(run: Command) -> None:
    one, other = run("keygen", "--psk").out, run("keygen", "--psk").out
    assert re.fullmatch(r"[0-9a-f]{64}\n", one)
    assert one != other
