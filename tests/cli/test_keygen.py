"""`ginnel keygen`."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ginnel.config.profile import Profile
from tests.cli.conftest import Command
from tests.fake_engine import public_key

pytestmark = pytest.mark.usefixtures("engines")


def test_keys_by_name(run: Command) -> None:
    result = run("keygen")
    assert result.code == 0
    names, _, shape = result.out.partition("\n\n")
    keys = dict(line.split() for line in names.splitlines())
    assert Profile.build(**pairs(tomllib.loads(shape)["profile"])).preset == "balanced"
    assert list(keys) == ["psk", "private_key", "public_key"]
    assert public_key(bytes.fromhex(keys["private_key"])).hex() == keys["public_key"]
    assert json.loads(run("keygen", "--json").out).keys() == {*keys, "profile"}


@pytest.mark.parametrize(
    ("words", "preset"), [((), "balanced"), (("light",), "light"), (("balanced",), "balanced")]
)
def test_a_profile_alone_ready_for_a_file(
    run: Command, tmp_path: Path, words: tuple[str, ...], preset: str
) -> None:
    shape = run("keygen", "--profile", *words).out
    assert shape != run("keygen", "--profile", *words).out
    path = tmp_path / "server.toml"
    path.write_text(f'role = "server"\n{shape}')
    assert run("check", str(path)).code == 0
    drawn = Profile.build(**pairs(tomllib.loads(shape)["profile"]))
    assert drawn.preset == preset
    told = json.loads(run("keygen", "--profile", *words, "--json").out)
    assert told.keys() == {"profile"}
    assert Profile.build(**pairs(told["profile"])).preset == preset


def test_what_keygen_refuses(run: Command) -> None:
    assert run("keygen", "--profile", "heavy").err == (
        "error: profile = 'heavy' is no preset\n  One of: light, balanced.\n"
    )
    assert run("keygen", "--psk", "--profile").code == 2


def pairs(table: dict[str, Any]) -> dict[str, Any]:
    """A profile as TOML and JSON have it, with tuples for its lists."""
    return {name: value if name == "preset" else tuple(value) for name, value in table.items()}


def test_a_secret_alone_and_never_twice(run: Command) -> None:
    one, other = run("keygen", "--psk").out, run("keygen", "--psk").out
    assert re.fullmatch(r"[0-9a-f]{64}\n", one)
    assert one != other
