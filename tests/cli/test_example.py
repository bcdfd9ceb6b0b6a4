"""`ginnel example`."""

import json

import pytest

from ginnel.config.bounds import ROLES
from ginnel.config.example import example
from ginnel.config.schema import schema
from tests.cli.conftest import Command


@pytest.mark.parametrize("role", ROLES)
def test_a_file_or_its_schema(run: Command, role: str) -> None:
    assert run("example", role) == (0, example(role), "")  # type: ignore[arg-type]  # one of the roles
    assert json.loads(run("example", role, "--schema").out) == schema(role)  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(("word", "guess"), [("sever", " Did you mean 'server'?"), ("xyzzy", "")])
def test_another_word_is_no_role(run: Command, word: str, guess: str) -> None:
    result = run("example", word)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"error: '{word}' is not a role.{guess}\n")
