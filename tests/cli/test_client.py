"""`ginnel client`, as a process: what it prints where, and how it ends."""

import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.program import running


def test_a_link_and_a_listener(tmp_path: Path, link: str) -> None:
    with running(tmp_path, "client", link) as client:
        assert client.out.readline() == "socks5 127.0.0.1:1080\n"
        client.signal(signal.SIGTERM)
        code, rest, said = client.end()
    assert (code, rest) == (0, "")
    assert said.splitlines()[0] == "  link up    192.0.2.1:5 · 41 ms · quic over udp"


def test_several_listeners_one_line_each(tmp_path: Path, link: str) -> None:
    with running(
        tmp_path, "client", "-q", "-D", "9050", "--socks5", "[::1]:9050", "-D", "0", GINNEL_LINK=link
    ) as client:
        lines = [client.out.readline() for _ in range(3)]
        client.signal(signal.SIGINT)
        assert client.end() == (0, "", "")
    assert lines == ["socks5 127.0.0.1:9050\n", "socks5 [::1]:9050\n", "socks5 127.0.0.1:1081\n"]


def test_an_open_listener_is_warned_about_even_in_quiet_mode(tmp_path: Path, link: str) -> None:
    with running(tmp_path, "client", link, "-q", "-D", "0.0.0.0:1080") as client:
        client.out.readline()
        client.signal(signal.SIGINT)
        code, _, said = client.end()
    assert code == 0
    assert said.startswith("warning: 0.0.0.0:1080 lets everybody who can reach it use this tunnel")


def test_nobody_else_sees_the_link(tmp_path: Path, link: str) -> None:
    with running(tmp_path, "client", link, "-D", "0") as client:
        client.out.readline()
        seen = Path(f"/proc/{client.process.pid}/cmdline").read_bytes()
        assert link[9:30].encode() not in seen
        assert b"ginnel://(hidden)" in seen
        assert seen.endswith(b"\0-D\x000\0")


def test_no_answer_says_what_to_check(tmp_path: Path, link: str) -> None:
    with running(tmp_path, "client", link, FAKE_SILENT="1") as client:
        code, out, said = client.end()
    assert (code, out) == (1, "")
    # The clock is one of the causes that can be looked at here.
    said = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "NOW", said)
    assert said.splitlines() == [
        "error: no answer from 192.0.2.1:5 in 10 s",
        "  The server is down, the address or port is wrong, UDP is blocked on the way, or the keys do not match:",
        "  a ginnel server answers nobody whose keys it does not know, so these look the same from here.",
        "  Or this machine's clock is more than 2 minutes off the server's: here it is NOW.",
        "  Try:  ginnel ping LINK",
    ]


@pytest.mark.parametrize("held", ["connect", "listen_socks5"])
def test_a_signal_before_it_is_ready_ends_it(tmp_path: Path, link: str, held: str) -> None:
    arguments = ["client", link, "-D", "0.0.0.0:1080"]  # its warning shows how far it is
    with running(tmp_path, *arguments, FAKE_HOLD=held) as client:
        if held == "listen_socks5":
            client.read_err("warning")
        else:
            while not catches_sigterm(client.process):
                pass
        client.signal(signal.SIGINT)
        assert client.end()[0] == 0


def catches_sigterm(process: "subprocess.Popen[str]") -> bool:
    """Whether our handlers are in place: Python itself leaves SIGTERM alone."""
    assert process.poll() is None
    status = Path(f"/proc/{process.pid}/status").read_text()
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) & (1 << (signal.SIGTERM - 1)))


def test_a_second_signal_ends_the_drain(tmp_path: Path, link: str) -> None:
    with running(tmp_path, "client", link, "--drain", "1h", FAKE_HOLD="shutdown") as client:
        client.out.readline()
        client.signal(signal.SIGTERM)
        client.read_err("stopping")
        client.signal(signal.SIGINT)
        assert client.end()[0] == 0


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "error: no share link given"),
        (["ginnel://04074000SQJ"], "error: the share link is damaged"),
        (["LINK", "-D", "localhost"], "error: --socks5 = 'localhost' has no port"),
        (["LINK", "--drain", "x"], "error: --drain = 'x' is not a time"),
    ],
)
def test_mistakes_are_the_users(tmp_path: Path, link: str, arguments: list[str], error: str) -> None:
    with running(tmp_path, "client", *(link if word == "LINK" else word for word in arguments)) as client:
        code, out, said = client.end()
    assert (code, out) == (2, "")
    assert said.startswith(error)


def test_a_port_in_use_names_another(tmp_path: Path, link: str) -> None:
    with running(tmp_path, "client", link, FAKE_BUSY="1080") as client:
        code, out, said = client.end()
    assert (code, out) == (1, "")
    assert (
        "error: 127.0.0.1:1080 is in use by another program\n  Another port:  ginnel client LINK -D 1081"
        in said
    )


def test_help_names_the_quietest_way(tmp_path: Path) -> None:
    with running(tmp_path, "client", "--help") as client:
        code, out, _ = client.end()
    assert code == 0
    assert "visible to the same user in /proc/PID/environ" in out


def test_another_session_and_several_links(tmp_path: Path, link: str) -> None:
    with running(tmp_path, "client", link, "--session", "kcp", "--links", "4", "-D", "0") as client:
        client.out.readline()
        client.signal(signal.SIGTERM)
        code, _, said = client.end()
    assert code == 0
    assert said.splitlines()[0] == "  link up    192.0.2.1:5 · 41 ms · kcp over udp"
    with running(tmp_path, "client", link, "--links", "17") as client:
        code, _, said = client.end()
    assert code == 2
    assert said == "error: --links = '17' is too large\n  Allowed: 1 to 16. The default is 1.\n"


def test_the_carrier_of_a_flag(tmp_path: Path, link: str) -> None:
    with running(tmp_path, "client", link, "--carrier", "rawtcp", "--interface", "eth0") as client:
        client.out.readline()
        client.signal(signal.SIGTERM)
        code, _, said = client.end()
    assert code == 0
    assert said.splitlines()[0] == "  link up    192.0.2.1:5 · 41 ms · quic over rawtcp"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--carrier", "tcp"], "error: --carrier = 'tcp' is not one of its words\n  Did you mean 'rawtcp'?"),
        (["--interface", "a b"], "error: --interface = 'a b' is not the name of an interface\n"),
    ],
)
def test_carriers_that_cannot_be(tmp_path: Path, link: str, arguments: list[str], said: str) -> None:
    with running(tmp_path, "client", link, *arguments) as client:
        code, out, err = client.end()
    assert (code, out) == (2, "")
    assert err.startswith(said)


def test_a_client_that_keeps_trying_names_the_servers_that_it_tries(tmp_path: Path, link: str) -> None:
    arguments = ["--keep-trying", "--carrier", "rawtcp"]
    with running(tmp_path, "client", link, *arguments, FAKE_SILENT="1") as client:
        client.out.readline()
        client.signal(signal.SIGTERM)
        said = client.end()[2]
    assert "  link       not up yet; trying rawtcp://192.0.2.1:5\n" in said


def test_a_missing_right_is_told(tmp_path: Path, link: str) -> None:
    with running(tmp_path, "client", link, "--carrier", "rawtcp", FAKE_NO_RIGHTS="1") as client:
        code, out, said = client.end()
    assert (code, out) == (1, "")
    assert said.startswith(
        "error: raw TCP needs the right to open packet sockets (CAP_NET_RAW)\n  sudo setcap"
    )
