"""The JSON schemas: current, right about good files, and right about bad ones."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ginnel.config.bounds import ROLES, Role
from ginnel.config.example import example
from ginnel.config.schema import schema
from tests.config.schema_check import keeps

WRITTEN = Path(__file__).parent.parent.parent / "docs" / "schema"


@pytest.mark.parametrize("role", ROLES)
def test_the_written_schema_is_current(role: Role) -> None:
    """Write it anew:  ginnel example ROLE --schema > docs/schema/ROLE.json."""
    assert json.loads((WRITTEN / f"{role}.json").read_text()) == schema(role)


@pytest.mark.parametrize("role", ROLES)
def test_the_example_keeps_it_as_it_is_and_with_everything_in_it(role: Role) -> None:
    assert keeps(tomllib.loads(example(role)), schema(role))
    whole = re.sub(r"^# (\w+ = )", r"\1", example(role), flags=re.MULTILINE)
    assert keeps(tomllib.loads(whole), schema(role))


SERVER: dict[str, Any] = {"role": "server"}
CLIENT: dict[str, Any] = {"role": "client"}


@pytest.mark.parametrize(
    "good",
    [
        SERVER | {"listen": 443},
        CLIENT | {"socks5": 1080},
        CLIENT | {"socks5": ["1", 2, {"listen": "3", "username": "u", "password": "p"}]},
        SERVER | {"congestion": "fixed", "rate": "1.5 Gbit/s"},
        CLIENT | {"congestion": "fixed", "rate": "200mbit"},
        CLIENT | {"congestion": "cubic", "rate": "200 Mbps"},
        SERVER | {"timeouts": {"step": "1.5 s"}, "limits": {"memory": "64 MiB", "links": 1}},
    ],
)
def test_good_files(good: dict[str, Any]) -> None:
    assert keeps(good, schema(good["role"]))


@pytest.mark.parametrize(
    "bad",
    [
        SERVER | {"rawtcp": {"source": "192.0.2.1"}},
        SERVER | {"listne": "1"},
        SERVER | {"listen": True},
        SERVER | {"listen": 70_000},
        SERVER | {"socks5": "1"},
        SERVER | {"drain": 4},
        SERVER | {"drain": "4"},
        SERVER | {"drain": "-4s"},
        SERVER | {"allow_private": "true"},
        SERVER | {"congestion": "bbr"},
        SERVER | {"rate": 20},
        SERVER | {"rate": "20"},
        SERVER | {"rate": "25 MB/s"},
        SERVER | {"rate": "25 M"},
        SERVER | {"limits": 5},
        SERVER | {"limits": {"tcp_buffer": "64"}},
        SERVER | {"limits": {"tcp_buffer": "64kib"}},
        SERVER | {"limits": {"links": "5"}},
        SERVER | {"limits": {"links": 0}},
        SERVER | {"limits": {"links": True}},
        SERVER | {"limits": {"nothing": 5}},
        SERVER | {"log": {"level": "loud"}},
        SERVER | {"log": {"areas": {"link": "loud"}}},
        SERVER | {"log": {"areas": {"lnik": "info"}}},
        CLIENT | {"socks5": []},
        CLIENT | {"socks5": [{"username": "u"}]},
        CLIENT | {"socks5": {"listen": "1", "pass": "u"}},
        CLIENT | {"limits": {"links": 5}},
    ],
)
def test_bad_files(bad: dict[str, Any]) -> None:
    assert not keeps(bad, schema(bad["role"]))


def test_a_file_without_its_role_or_of_the_other_one() -> None:
    assert not keeps({}, schema("server"))
    assert not keeps(CLIENT, schema("server"))
