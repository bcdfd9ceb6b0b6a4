"""No command repeats a share link or a password that stands in a wrong place."""

from pathlib import Path

import pytest

from tests.cli.conftest import Command

PASSWORD = "hunter2"
CREDENTIALS = f"me:{PASSWORD}@127.0.0.1:1080"
WORDS = [
    ("check", "{}"),
    ("check", "{}", "--json"),
    ("check", "{file}", "--set", "link_file={}"),
    ("check", "{file}", "--set", "{}"),
    ("check", "{file}", "--set", "{}=1"),
    ("check", "{file}", "--set", "socks5={}"),
    ("check", "{file}", "--set", "drain={}", "--json"),
    ("check", "{file}", "--set", "limits.streams={}"),
    ("check", "{file}", "--set", "limits.tcp_buffer={}"),
    ("check", "{file}", "--set", "keep_trying={}"),
    ("check", "{file}", "--set", "log.level={}"),
    ("run", "-c", "{}"),
    ("run", "-c", "{file}", "--set", "link_file={}"),
    ("run", "-c", "{file}", "--log-level", "{}"),
    ("run", "-c", "{file}", "--log-level", "{}=info"),
    ("server", "{}"),
    ("server", "--listen", "{}"),
    ("server", "--advertise", "{}"),
    ("server", "--drain", "{}"),
    ("client", "{link}", "-D", "{}"),
    ("client", "{link}", "--drain", "{}"),
    ("client", "--keep-trying={}"),
    ("client", "--{}"),
    ("link", "{}"),
    ("link", "--advertise", "{}"),
    ("user", "{}"),
    ("user", "add", "{}"),
    ("user", "link", "{}"),
    ("user", "remove", "{}"),
    ("user", "rotate", "{}"),
    ("user", "list", "{}"),
    ("user", "list", "--advertise", "{}"),
    ("stats", "{}"),
    ("stats", "--pid", "{}"),
    ("stats", "--state", "{}"),
    ("reload", "--pid", "{}"),
    ("ping", "{link}", "-c", "{}"),
    ("ping", "{link}", "--timeout", "{}"),
    ("example", "{}"),
    ("keygen", "{}"),
    ("version", "{}"),
]
SETTINGS = [
    'link_file = "{}"',
    'socks5 = "{}"',
    'socks5 = ["{}", "{}"]',
    'socks5 = {{ listen = "{}" }}',
    'socks5 = {{ listen = 1080, password_file = "{}" }}',
    'socks5 = {{ listen = 1080, "{}" = 1 }}',
    '"{}" = 1',
    'drain = "{}"',
    'limits = "{}"',
    '[limits]\nstreams = "{}"',
    '[limits]\ntcp_buffer = "{}"',
    '[limits]\n"{}" = 1',
    '["{}"]',
    '[log.areas]\nlink = "{}"',
    'link_file = "{}',
]
VARIABLES = ["GINNEL_SOCKS5", "GINNEL_LINK_FILE", "GINNEL_DRAIN", "GINNEL_LIMITS_STREAMS"]


@pytest.fixture(params=["link", "one slash", "capitals", "credentials"])
def wrong(request: pytest.FixtureRequest, link: str) -> str:
    """What belongs elsewhere."""
    return {
        "link": link,
        "one slash": link.replace("//", "/"),
        "capitals": link.replace("ginnel", "GINNEL"),
        "credentials": CREDENTIALS,
    }[str(request.param)]


@pytest.fixture
def file(tmp_path: Path, link: str) -> Path:
    """A configuration file with nothing wrong."""
    file = tmp_path / "client.toml"
    file.write_text(f'role = "client"\nlink = "{link}"\n')
    file.chmod(0o600)
    return file


def assert_silent(said: str, wrong: str) -> None:
    """Nothing of it is there: no six characters in a row of the link, no password."""
    assert PASSWORD not in said
    if wrong != CREDENTIALS:
        secret = wrong.partition(":")[2].lstrip("/")
        pieces = {secret[at : at + 6] for at in range(len(secret) - 6)}
        assert [piece for piece in pieces if piece in said] == []


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_arguments(
    run: Command, tmp_path: Path, file: Path, link: str, wrong: str, words: tuple[str, ...]
) -> None:
    filled = [
        word.replace("{file}", str(file)).replace("{link}", link).replace("{}", wrong) for word in words
    ]
    result = run(*filled)
    assert result.code != 0
    assert result.err or "--json" in words
    assert_silent(result.out + result.err, wrong)


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings(run: Command, file: Path, wrong: str, setting: str) -> None:
    file.write_text('role = "client"\n' + setting.replace("{}", wrong).replace("{{", "{").replace("}}", "}"))
    for words in (["check", str(file)], ["check", str(file), "--json"], ["run", "-c", str(file)]):
        result = run(*words)
        assert result.code == 2
        assert_silent(result.out + result.err, wrong)


@pytest.mark.parametrize("variable", VARIABLES)
def test_variables(
    run: Command, file: Path, wrong: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, wrong)
    file.write_text('role = "client"\n')
    result = run("check", str(file))
    assert result.code == 2
    assert_silent(result.out + result.err, wrong)


def test_what_would_be_right_is_said(run: Command, file: Path, link: str) -> None:
    assert "this is a share link, and no configuration file" in run("check", link).err
    said = run("run", "-c", str(file), "--set", f"link_file={link}").err
    assert "is a share link" in said
    assert "belongs in `link`" in said
    said = run("client", link, "-D", CREDENTIALS).err
    assert "has a user name and a password in it" in said
    assert "username" in said
    assert "password_file" in run("client", CREDENTIALS.rpartition(":")[0]).err
