"""`ginnel run`, as a process: both roles, signals, and settings from everywhere."""

import signal
from pathlib import Path

import pytest

from tests.cli.program import running


def server_file(home: Path, text: str = "") -> str:
    path = home / "server.toml"
    path.write_text(f'role = "server"\nstate = "state"\n{text}\n')
    return str(path)


def client_file(home: Path, link: str, text: str = "") -> str:
    path = home / "client.toml"
    path.write_text(f'role = "client"\nlink = "{link}"\n{text}\n')
    path.chmod(0o600)
    return str(path)


def test_a_server(tmp_path: Path) -> None:
    with running(tmp_path, "run", "-c", server_file(tmp_path, 'advertise = "a.example:5"')) as server:
        assert server.out.readline().startswith("ginnel://")
        server.signal(signal.SIGTERM)
        code, out, said = server.end()
    assert (code, out) == (0, "")
    assert "a.example:5              as given" in said
    assert (tmp_path / "state" / "server.json").exists()


def test_a_client_that_keeps_trying(tmp_path: Path, link: str) -> None:
    name = client_file(tmp_path, link, 'socks5 = ["9050", "0"]')
    with running(tmp_path, "run", "-c", name, FAKE_SILENT="1") as client:
        assert [client.out.readline() for _ in range(2)] == [
            "socks5 127.0.0.1:9050\n",
            "socks5 127.0.0.1:1081\n",
        ]
        client.signal(signal.SIGINT)
        code, _, said = client.end()
    assert code == 0
    assert said.splitlines()[0] == "  link       not up yet; trying 192.0.2.1:5"


def test_a_client_that_does_not(tmp_path: Path, link: str) -> None:
    name = client_file(tmp_path, link, "connect_timeout = '3s'")
    with running(tmp_path, "run", "-c", name, "--set", "keep_trying=false", FAKE_SILENT="1") as client:
        code, out, said = client.end()
    assert (code, out) == (1, "")
    assert said.startswith("error: no answer from 192.0.2.1:5 in 3 s\n")


def test_a_hangup_reads_the_file_again(tmp_path: Path, link: str) -> None:
    name = client_file(tmp_path, link, "socks5 = 1")
    with running(tmp_path, "run", "-c", name) as client:
        client.out.readline()
        for text, word in (
            ("socks5 = 1", "nothing has changed"),
            ("socks5 = 2\ndrain = '9s'", "drain: 4 s is now 9 s, at once"),
            ("socks5 = 2\ndrain = 9", "client.toml:4: drain = 9 has no unit"),
            ("socks5 = 3\ndrain = '8s'", "drain: 9 s is now 8 s, at once"),
        ):
            client_file(tmp_path, link, text)
            client.signal(signal.SIGHUP)
            assert word in client.read_err(word)
        assert [client.out.readline() for _ in range(2)] == ["socks5 127.0.0.1:2\n", "socks5 127.0.0.1:3\n"]
        client.signal(signal.SIGTERM)
        assert client.end()[0] == 0


def test_a_hangup_during_the_start_does_not_end_it(tmp_path: Path, link: str) -> None:
    name = client_file(tmp_path, link, "keep_trying = false\nsocks5 = '0.0.0.0:1'")
    with running(tmp_path, "run", "-c", name, FAKE_HOLD="listen_socks5") as client:
        client.read_err("warning")
        client.signal(signal.SIGHUP)
        client.signal(signal.SIGTERM)
        assert client.end()[0] == 0


def test_a_hangup_ends_commands_without_a_file_as_sigterm_does(tmp_path: Path, link: str) -> None:
    with running(tmp_path, "client", link) as client:
        client.out.readline()
        client.signal(signal.SIGHUP)
        code, _, said = client.end()
    assert code == 0
    assert "stopping" in said


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('listne = "1"', "server.toml:3: unknown key 'listne'. Did you mean 'listen'?"),
        ("drain = 4", "server.toml:3: drain = 4 has no unit"),
        ("drain = ", "server.toml:3: this is not TOML: invalid value"),
    ],
)
def test_mistakes_are_the_users(tmp_path: Path, text: str, error: str) -> None:
    name = server_file(tmp_path, text)
    with running(tmp_path, "run", "-c", name) as server:
        code, out, said = server.end()
    assert (code, out) == (2, "")
    assert said.startswith(f"error: {tmp_path}/{error}")


def test_a_share_link_in_a_file_that_others_can_read(tmp_path: Path, link: str) -> None:
    name = client_file(tmp_path, link)
    Path(name).chmod(0o644)
    with running(tmp_path, "run", "-c", name) as client:
        code, _, said = client.end()
    assert code == 2
    assert f"chmod 600 '{name}'" in said
    assert link[9:30] not in said


def test_every_layer_reaches_the_service(tmp_path: Path, link: str) -> None:
    """Also of the commands that take no file."""
    for arguments in (["server", "--state", str(tmp_path / "s")], ["run", "-c", server_file(tmp_path)]):
        with running(
            tmp_path,
            *arguments,
            "--set",
            "advertise=flag.example",
            GINNEL_ADVERTISE="env.example",
            GINNEL_LISTEN="7",
        ) as server:
            server.out.readline()
            server.signal(signal.SIGTERM)
            assert "flag.example:7" in server.end()[2]
    with running(tmp_path, "client", GINNEL_LINK=link, GINNEL_SOCKS5="5,6") as client:
        assert [client.out.readline() for _ in range(2)] == ["socks5 127.0.0.1:5\n", "socks5 127.0.0.1:6\n"]


def test_a_share_link_by_a_setting(tmp_path: Path, link: str) -> None:
    """Of a command that else wants it as an argument; both are one too many."""
    (tmp_path / "link.txt").write_text(link)
    for arguments in (["--set", f"link_file={tmp_path}/link.txt"], ["--set", f"link={link}"]):
        with running(tmp_path, "client", *arguments) as client:
            assert client.out.readline() == "socks5 127.0.0.1:1080\n"
            assert link[9:30].encode() not in Path(f"/proc/{client.process.pid}/cmdline").read_bytes()
    with running(tmp_path, "client", GINNEL_LINK_FILE=str(tmp_path / "link.txt")) as client:
        assert client.out.readline() == "socks5 127.0.0.1:1080\n"
    with running(tmp_path, "client", link, "--set", "link_file=nowhere") as client:
        code, _, said = client.end()
        assert code == 2
        assert said.startswith("error: --set link_file: both link and link_file are given\n")


def test_a_client_by_command_may_keep_trying(tmp_path: Path, link: str) -> None:
    with running(tmp_path, "client", link, "--keep-trying", FAKE_SILENT="1") as client:
        assert client.out.readline() == "socks5 127.0.0.1:1080\n"


def test_a_file_is_needed(tmp_path: Path) -> None:
    with running(tmp_path, "run") as program:
        code, _, said = program.end()
    assert code == 2
    assert "-c/--config" in said
