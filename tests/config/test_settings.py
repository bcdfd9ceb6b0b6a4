"""The table of all settings."""

import re
from pathlib import Path

import pytest

from ginnel.config.bounds import ROLES
from ginnel.config.settings import SETTINGS, TABLES, owner_of
from ginnel.config.values import ClientConfig, ServerConfig
from tests.config.test_values import LINK

ROOT = Path(__file__).parent.parent.parent
SERVER = ServerConfig.build(state=Path("s"))
CLIENT = ClientConfig.build(link=LINK)


@pytest.mark.parametrize("role", ROLES)
def test_every_setting_is_a_field_of_the_configuration(role: str) -> None:
    config = SERVER if role == "server" else CLIENT
    for setting in SETTINGS[role].values():  # type: ignore[index]  # one of the roles
        if setting.name:
            setting.show(setting.of(config))
        # What the program presumes is what the library does, but for what only the program has.
        if setting.default is not None and setting.key not in ("socks5", "keep_trying"):
            assert setting.of(config) == setting.default


@pytest.mark.parametrize(("role", "config"), [("server", SERVER), ("client", CLIENT)])
def test_every_field_of_the_configuration_is_a_setting(
    role: str, config: ServerConfig | ClientConfig
) -> None:
    names = {setting.name.partition(".")[0] for setting in SETTINGS[role].values()}  # type: ignore[index]  # a role
    assert not set(type(config).model_fields) - names


@pytest.mark.parametrize("role", ROLES)
def test_every_setting_is_described(role: str) -> None:
    for setting in SETTINGS[role].values():  # type: ignore[index]  # one of the roles
        assert setting.does.endswith((".", "}"))
        assert setting.without.endswith(".") or setting.default is not None
        assert setting.example
        assert setting.kind.schema()
        assert "." not in setting.key or setting.key.rpartition(".")[0] in TABLES


def test_variables_are_told_apart() -> None:
    keys = {setting.key for settings in SETTINGS.values() for setting in settings.values()}
    variables = {setting.variable for settings in SETTINGS.values() for setting in settings.values()}
    assert len(keys) == len(variables)


def test_whose_a_key_is() -> None:
    assert owner_of("limits.links") == "server"
    assert owner_of("socks5") == "client"
    assert owner_of("drain") is None
    assert owner_of("xyzzy") is None


def documented(role: str) -> dict[str, tuple[str, str, str]]:
    """What the documentation says of each setting of a role: default, range and effect."""
    rows = {}
    for line in (ROOT / "docs" / "configuration.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("| `") or cells[1] not in ("both", role):
            continue
        defaults = dict(re.findall(r"([^(]+) \((server|client)\)(?:, )?", cells[2]))
        default = {who: what for what, who in defaults.items()}.get(role, "" if defaults else cells[2])
        rows[cells[0].strip("`")] = default, cells[3], cells[5]
    return rows


@pytest.mark.parametrize("role", ROLES)
def test_the_documentation_has_every_setting_as_it_is(role: str) -> None:
    expected = {
        key: (
            "" if setting.default is None else setting.kind.show(setting.default),
            setting.kind.range.removeprefix("Allowed: ").removeprefix("One of: ").rstrip("."),
            setting.effect,
        )
        for key, setting in SETTINGS[role].items()  # type: ignore[index]  # one of the roles
    }
    assert documented(role) == expected


def test_a_share_link_is_masked() -> None:
    setting = SETTINGS["client"]["link"]
    for shown in (setting.show(LINK), setting.kind.spell(LINK)):
        assert "(secret)" in shown
        assert LINK.to_text()[9:30] not in shown
