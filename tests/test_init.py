"""The face of the package."""

import json
import subprocess
import sys
from importlib import metadata
from importlib.metadata import PackageNotFoundError

import pytest

import ginnel


def test_all_is_sorted_and_every_name_in_it_exists() -> None:
    assert ginnel.__all__ == sorted(ginnel.__all__)
    for name in ginnel.__all__:
        assert getattr(ginnel, name) is not None
    assert dir(ginnel) == ginnel.__all__


def test_every_error_is_at_the_top() -> None:
    names = {
        name
        for name, value in vars(ginnel.errors).items()
        if isinstance(value, type) and issubclass(value, ginnel.GinnelError)
    }
    assert names <= set(ginnel.__all__)


def test_what_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Sevrer"):
        ginnel.Sevrer  # noqa: B018 - the look-up is the test


def test_importing_does_nothing() -> None:
    program = "import json, sys, ginnel; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    loaded = set(json.loads(run.stdout))
    assert "ginnel" in loaded
    assert not loaded & {"asyncio", "pydantic", "ginnel._engine", "ginnel.errors", "ginnel.api"}


@pytest.mark.usefixtures("engines")
def test_without_metadata_the_version_is_the_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(metadata, "version", unknown)
    assert ginnel._version() == "0.0.fake"
    monkeypatch.setitem(sys.modules, "ginnel._engine", None)
    monkeypatch.delattr("ginnel._engine", raising=False)
    assert ginnel._version() == "0+unknown"


def test_a_star_import_gets_every_name() -> None:
    names: dict[str, object] = {}
    exec("from ginnel import *", names)  # noqa: S102 - not possible inside a function otherwise
    assert set(ginnel.__all__) <= set(names)
