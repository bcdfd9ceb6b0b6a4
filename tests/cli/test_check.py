"""`ginnel check`."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.config.test_values import LINK


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(name: str, text: str) -> str:
    Path(name).write_text(text)
    Path(name).chmod(0o600)
    return name


def test_a_good_file(run: Command) -> None:
    name = written("server.toml", 'role = "server"\nlisten = 5\n[limits]\nlinks = 7\n')
    assert run("check", name) == (0, "server.toml is good: role server, 2 settings\n", "")
    written("server.toml", 'role = "server"\nlisten = 5')
    assert run("check", name).out == "server.toml is good: role server, 1 setting\n"


def test_one_mistake_as_an_error(run: Command) -> None:
    name = written("server.toml", 'role = "server"\n\nlimits.tcp_buffer = "100 MB"\n')
    result = run("check", name)
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines() == [
        'error: server.toml:3: limits.tcp_buffer = "100 MB" is too large',
        "  Allowed: 1 KiB to 10 MiB. The default is 64 KiB.",
    ]


def test_all_mistakes_one_line_each_sorted(run: Command) -> None:
    name = written("server.toml", 'role = "server"\nlimits.links = 0\nlistne = 5\ndrain = 4\n')
    result = run("check", name)
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines() == [
        "error: server.toml has 3 mistakes",
        "  server.toml:2: limits.links = 0 is too small. Allowed: 1 to 60,000. The default is 4,096.",
        "  server.toml:3: unknown key 'listne'. Did you mean 'listen'?",
        '  server.toml:4: drain = 4 has no unit. Write "4s" for seconds, in quotes. Units: ms, s, min, h, d.',
    ]


@pytest.mark.parametrize("name", ["nowhere.toml", ".", "bad.toml"])
def test_what_is_no_configuration_at_all(run: Command, name: str) -> None:
    written("bad.toml", "a = \n")
    result = run("check", name)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"error: {name}")
    as_json = run("check", name, "--json")
    assert as_json.code == 2
    assert [one["message"] for one in json.loads(as_json.out)["mistakes"]] == [result.err.splitlines()[0][7:]]


def test_show_has_every_setting_with_its_origin_and_no_secret(
    run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GINNEL_LOG_LEVEL", "debug")
    text = (
        f"role = 'client'\nlink = '{LINK.to_text()}'\n"
        "socks5 = [{listen = 5, username = 'me', password = 'PASSWORD'}]\n"
    )
    result = run("check", written("client.toml", text), "--show", "--set", "limits.tcp_buffer=1MiB")
    assert (result.code, result.err) == (0, "")
    shown = [tuple(part.strip() for part in line.split("#", 1)) for line in result.out.splitlines()]
    assert ('link = "(secret)"', "client.toml:2") in shown
    assert ('socks5 = "127.0.0.1:5 with a password"', "client.toml:3") in shown
    assert ('log.level = "debug"', "$GINNEL_LOG_LEVEL") in shown
    assert ('limits.tcp_buffer = "1MiB"', "--set limits.tcp_buffer") in shown
    assert ('timeouts.link_idle = "2min"', "default") in shown
    assert ("", "log.areas.link: as log.level.") in shown
    assert "PASSWORD" not in result.out
    assert LINK.to_text()[9:30] not in result.out


def test_a_share_link_from_a_file_shows_where_that_was_named(run: Command) -> None:
    written("link.txt", LINK.to_text())
    name = written("client.toml", "role = 'client'\nlink_file = 'link.txt'\n")
    (line,) = [line for line in run("check", name, "--show").out.splitlines() if line.startswith("link =")]
    assert line.split("#")[1] == " client.toml:2"


def test_json(run: Command) -> None:
    name = written("server.toml", 'role = "server"\ndrain = "9s"\n')
    facts = json.loads(run("check", name, "--json", "--show").out)
    assert (facts["good"], facts["role"], facts["settings"], facts["mistakes"]) == (True, "server", 1, [])
    assert {"key": "drain", "value": '"9s"', "origin": "server.toml:2"} in facts["effective"]
    written("server.toml", 'role = "server"\ndrain = "9"\n')
    result = run("check", name, "--json")
    facts = json.loads(result.out)
    assert (result.code, result.err, facts["good"]) == (2, "", False)
    assert facts["mistakes"][0]["line"] == 2
    assert facts["mistakes"][0]["key"] == "drain"


def test_a_variable_that_was_hardly_meant_so_is_a_warning(
    run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GINNEL_LISTNE", "1")
    result = run("check", written("server.toml", 'role = "server"\n'))
    assert result.code == 0
    assert (
        result.err
        == "warning: $GINNEL_LISTNE is not known and has no effect. Did you mean 'GINNEL_LISTEN'?\n"
    )
