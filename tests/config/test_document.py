"""Configuration files: what they say, and what they say wrongly before any value is read."""

from pathlib import Path

import pytest

from ginnel.config.document import read_document
from ginnel.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the working directory, so that messages show the name alone."""
    monkeypatch.chdir(tmp_path)
    path = Path("server.toml")
    path.touch(mode=0o600)
    return path


def test_tables_and_dotted_keys_are_the_same(file: Path) -> None:
    file.write_text(
        'role = "server"\nlimits.links = 5\nlog.areas.link = "debug"\n[timeouts]\n"step" = "3s"\n'
    )
    document = read_document(file)
    assert document.role == "server"
    assert document.mistakes == []
    assert {key: (given.value, str(given.origin)) for key, given in document.layer.items()} == {
        "limits.links": (5, "server.toml:2"),
        "log.areas.link": ("debug", "server.toml:3"),
        "timeouts.step": ("3s", "server.toml:5"),
    }


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("listen = 1\nlisten = 2", "server.toml:2: 'listen' stands twice. Take one of them out."),
        ("a = 1\n[log]\n[log]\n", "server.toml:3: the table [log] stands twice. Join its two parts."),
        (
            "[log.areas]\n[log.areas]\n",
            "server.toml:2: the table [log.areas] stands twice. Join its two parts.",
        ),
        (
            "a = 1\nlisten = 127.0.0.1:4433",
            "server.toml:2: this is not TOML: expected newline or end of document after a statement (column 15)."
            " Texts, times and sizes stand in quotes",
        ),
        (
            "a = 1\nlisten = localhost\n",
            "server.toml:2: this is not TOML: invalid value (column 10). Texts, times and sizes stand in quotes,"
            ' such as listen = "127.0.0.1:4433".',
        ),
        ("a =\n", "server.toml:1: this is not TOML: invalid value (column 4). Texts, times"),
        ("a = 1\nb = [1,\n\n", "server.toml:2: this is not TOML: invalid value. Texts"),
        ("a = 1\n\n'", "server.toml:3: this is not TOML: "),
        ("a" + "[" * 50_000, "server.toml:1: this is not TOML: "),
        ("a = " + "[" * 50_000, "server.toml:1: this is not TOML: "),
        (
            "a = " + "1" * 5000,
            "server.toml:1: this is not TOML: it is nested too deeply, or a number too long.",
        ),
    ],
)
def test_what_is_not_toml_is_told_with_its_line(file: Path, text: str, error: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_document(file)
    assert f"{caught.value}. {caught.value.hint}".startswith(error)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "server.toml: the file does not say its role"),
        ("role = 1", "server.toml:1: role = 1 is not a role"),
        ("\nrole = 'sever'", 'server.toml:2: role = "sever" is not a role'),
        ("[role]\nx = 1", "server.toml:1: role = {…} is not a role"),
    ],
)
def test_without_a_role_nothing_else_can_be_said(file: Path, text: str, error: str) -> None:
    file.write_text(text)
    document = read_document(file)
    assert document.role is None
    assert [mistake.message for mistake in document.mistakes] == [error]
    assert 'role = "server" or role = "client"' in document.mistakes[0].hint


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("listne = 1", "server.toml:2: unknown key 'listne'. Did you mean 'listen'?"),
        (
            "links = 5",
            "server.toml:2: links belongs to a client, and this is a server. Take it out, or write limits.links.",
        ),
        ("[limtis]\nlinks = 5", "server.toml:2: unknown key 'limtis'."),
        (
            "xyzzy = 1",
            "server.toml:2: unknown key 'xyzzy'. All keys, with what they do: ginnel example server",
        ),
        (
            "'limits.links' = 5",
            "server.toml:2: the key limits.links stands in quotes, so that its dot is a part of a name."
            " Write it without quotes: limits.links = …",
        ),
        ("['log.areas']\nlink = 'off'", "server.toml:2: the key log.areas stands in quotes"),
        ("[limits]\n'links.x' = 5", "server.toml:3: unknown key 'limits.links.x'."),
        ("[limits]\nlink_wait = 5", "server.toml:3: unknown key 'limits.link_wait'."),
        (
            "[timeouts]\nlink_wait = 5",
            "server.toml:3: timeouts.link_wait belongs to a client, and this is a server. Take it out.",
        ),
        (
            "limits = 5",
            'server.toml:2: limits = 5 is not a table. Write [limits], and below it such as tcp_buffer = "64KiB".',
        ),
        ("[[log]]\nlevel = 'info'", "server.toml:2: log = […] is not a table."),
        (
            "[listen]\nport = 5",
            'server.toml:2: listen is a table, and a value belongs there. Such as listen = "127.0.0.1:4433".',
        ),
        (
            "limits.memory = {x = 1}",
            'server.toml:2: limits.memory is a table, and a value belongs there. Such as memory = "1GiB".',
        ),
        ("'ginnel://SECRET' = 1", "server.toml:2: unknown key '(secret)'."),
    ],
)
def test_what_is_no_setting_is_a_mistake(file: Path, text: str, mistake: str) -> None:
    file.write_text(f'role = "server"\n{text}\n')
    found = [one.line for one in read_document(file).mistakes]
    assert len(found) == 1
    assert found[0].startswith(mistake)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "link = 'ginnel://SECRET'",
            "client.toml:2: a share link stands in a file that is open to others (mode 0640)",
        ),
        (
            "[[socks5]]\nlisten = 1\nusername = 'me'\npassword = 'SECRET'",
            "client.toml:2: a password stands in a file that is open to others (mode 0640)",
        ),
    ],
)
def test_secrets_in_a_file_that_others_can_read(file: Path, text: str, mistake: str) -> None:
    path = file.rename("client.toml")
    path.write_text(f"role = 'client'\n{text}\n")
    assert read_document(path).mistakes == []
    path.chmod(0o640)
    (found,) = read_document(path).mistakes
    assert found.message == mistake
    assert found.hint == "chmod 600 'client.toml'"


def test_a_file_without_secrets_may_be_open(file: Path) -> None:
    file.write_text(
        "role = 'client'\nlink_file = 'x'\nsocks5 = [{listen = 1, username = 'u', password_file = 'p'}]"
    )
    file.chmod(0o644)
    assert read_document(file).mistakes == []


def test_line_ends_of_other_systems_count_once(file: Path) -> None:
    file.write_bytes(b"role = 'server'\r\n\r\nlistne = 1\r\n")
    assert [str(one.origin) for one in read_document(file).mistakes] == ["server.toml:3"]
