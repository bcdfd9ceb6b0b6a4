"""The example file: what it shows is true."""

import re
from pathlib import Path

import pytest

from ginnel.config.bounds import ROLES, Role
from ginnel.config.example import example
from ginnel.config.load import Source
from ginnel.config.settings import SETTINGS
from tests.config.test_values import LINK


def read(path: Path, text: str) -> Source:
    path.write_text(text)
    path.chmod(0o600)
    (path.parent / "link.txt").write_text(LINK.to_text())
    (path.parent / "link.txt").chmod(0o600)
    return Source(file=path)


@pytest.mark.parametrize("role", ROLES)
def test_as_it_is_it_sets_nothing_but_what_it_must(tmp_path: Path, role: Role) -> None:
    loaded = read(tmp_path / "a.toml", example(role)).load()
    assert loaded.mistakes == ()
    assert loaded.warnings == ()
    assert set(loaded.origins) == ({"link_file"} if role == "client" else set())


@pytest.mark.parametrize("role", ROLES)
def test_the_defaults_that_it_shows_are_the_defaults(tmp_path: Path, role: Role) -> None:
    bare = read(tmp_path / "a.toml", example(role)).load()
    tables, shown = "", []
    text = []
    for line in example(role).splitlines():
        if line.startswith("["):
            tables = line.strip("[]") + "."
        key = re.match(r"# (\w+) = ", line)
        if key is not None and SETTINGS[role][tables + key[1]].default is not None:
            shown.append(tables + key[1])
            line = line.removeprefix("# ")
        text.append(line)
    assert shown == [key for key, setting in SETTINGS[role].items() if setting.default is not None]
    loaded = read(tmp_path / "a.toml", "\n".join(text)).load()
    assert loaded.mistakes == ()
    assert loaded.config == bare.config
    assert set(loaded.origins) == {*shown, *bare.origins}


@pytest.mark.parametrize("role", ROLES)
def test_every_example_that_it_shows_is_right(tmp_path: Path, role: Role) -> None:
    text = re.sub(r"^# (\w+ = )", r"\1", example(role), flags=re.MULTILINE)
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith('link = "ginnel'))
    # A rate goes with one controller alone, which is not the default.
    text = text.replace('congestion = "adaptive"', 'congestion = "fixed"')
    # A window goes with the fixed modes.
    text = text.replace('mode = "auto"', 'mode = "fast3"')
    # Ports are named, or their number is.
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("ports ="))
    loaded = read(tmp_path / "a.toml", text).load()
    assert loaded.mistakes == ()
    assert set(loaded.origins) == set(SETTINGS[role]) - {"link", "ports"}


@pytest.mark.parametrize("role", ROLES)
def test_every_setting_with_its_range_and_sentence(role: Role) -> None:
    text = example(role)
    for setting in SETTINGS[role].values():
        assert setting.does.splitlines()[0] in text
        assert setting.kind.range in text
        assert setting.default is None or f"Default: {setting.kind.show(setting.default)}.\n" in text
    assert max(map(len, text.splitlines())) <= 120
