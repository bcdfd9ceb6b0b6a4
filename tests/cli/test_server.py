"""`ginnel server`, as a process: what it prints where, and how it ends."""

import json
import re
import signal
import sys
from pathlib import Path

import pytest

from ginnel.config.sharelink import ShareLink
from tests.cli.program import running


def test_the_first_start_from_nothing(tmp_path: Path) -> None:
    with running(tmp_path, "server", "--state", str(tmp_path / "state")) as server:
        link = server.out.readline().rstrip("\n")
        port = ShareLink.parse(link).servers[0].ports
        server.signal(signal.SIGTERM)
        code, rest, said = server.end()
    assert code == 0
    assert rest == ""
    lines = said.splitlines()
    assert "· server on " in lines[0]
    assert lines[2] == "  keys       new, in ~/state (only you can read them)"
    assert lines[3].startswith(f"  listening  udp 0.0.0.0:{port}")
    assert lines[3].endswith("drawn for this deployment, kept for the next start")
    assert lines[4].startswith("  reachable  ")
    assert any(line == "  user       default" for line in lines)
    assert "  On the other machine:   ginnel client LINK" in lines
    # The secret is on standard output and nowhere else: standard error may be a log.
    assert link.removeprefix("ginnel://") not in said
    assert "▄" not in said
    assert "stopping" in said


def test_the_next_start_says_the_same_link(tmp_path: Path) -> None:
    links = []
    for notes in ("kept for the next start", "as at the last start"):
        listen = ["--listen", "4433"] if "next" in notes else []
        with running(
            tmp_path, "server", "--state", str(tmp_path / "state"), "--advertise", "a.example", *listen
        ) as server:
            links.append(server.out.readline())
            server.signal(signal.SIGINT)
            code, _, said = server.end()
        assert code == 0
        assert notes in said
        assert "a.example:4433           as given" in said
    assert links[0] == links[1]


def test_quiet_says_nothing_but_the_link(tmp_path: Path) -> None:
    with running(tmp_path, "server", "--quiet", "--state", str(tmp_path / "state")) as server:
        assert server.out.readline().startswith("ginnel://")
        server.signal(signal.SIGTERM)
        assert server.end() == (0, "", "")


def test_a_second_server_on_the_same_state(tmp_path: Path) -> None:
    with running(tmp_path, "server", "--state", str(tmp_path / "state")) as server:
        server.out.readline()
        with running(tmp_path, "server", "--state", str(tmp_path / "state")) as second:
            code, out, said = second.end()
        assert (code, out) == (1, "")
        assert f"error: another ginnel server (process {server.process.pid}) uses the state in" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_the_drain(tmp_path: Path, number: signal.Signals) -> None:
    arguments = ["server", "--state", str(tmp_path / "state"), "--drain", "1h"]
    with running(tmp_path, *arguments, FAKE_HOLD="shutdown") as server:
        server.out.readline()
        server.signal(number)
        server.read_err("stopping")
        server.signal(number)
        assert server.end()[0] == 0


def test_an_engine_that_dies_ends_the_program(tmp_path: Path) -> None:
    with running(tmp_path, "server", "--state", str(tmp_path / "state"), FAKE_DIE="1") as server:
        code, _, said = server.end()
    assert code == 1
    assert "error: the engine stopped" in said


@pytest.mark.parametrize(
    ("command", "error"), [("server", "--state = '' is not a path"), ("link", "state is empty")]
)
def test_an_empty_name_of_the_state_is_refused(tmp_path: Path, command: str, error: str) -> None:
    with running(tmp_path, command, "--state", "") as server:
        code, out, said = server.end()
    assert (code, out) == (2, "")
    assert said.startswith(f"error: {error}\n")


def test_ports_and_profile_from_flags(tmp_path: Path) -> None:
    arguments = ["server", "--state", str(tmp_path / "state"), "--advertise", "a.example"]
    with running(tmp_path, *arguments, "--ports", "20", "--profile", "light") as server:
        link = ShareLink.parse(server.out.readline())
        server.signal(signal.SIGTERM)
        code, _, said = server.end()
    assert code == 0
    ports = link.servers[0].ports
    assert (ports.count, len(ports.ranges)) == (20, 1)
    assert f"  listening  udp 0.0.0.0:{ports}" in said
    assert "20 ports to hop between: let UDP in on all of them" in said
    assert f"  reachable  a.example:{ports}" in said
    assert link.profile is not None
    assert link.profile.preset == "light"
    # More of them later; links so far name the first.
    with running(tmp_path, *arguments, "--ports", "30") as server:
        more = ShareLink.parse(server.out.readline())
        server.signal(signal.SIGTERM)
        code, _, said = server.end()
    assert more.servers[0].ports.ranges == ((ports.first, ports.first + 29),)
    assert "share links so far still work" in said
    assert more.profile == link.profile


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ports", "257"], "error: --ports = '257' is too large\n  Allowed: 1 to 256.\n"),
        (["--ports", "5", "--listen", "443"], "error: --ports: both listen and ports are given\n"),
        (["--listen", "1-300"], "error: --listen = '1-300' has 300 ports\n  Such as 4433, 5000-5100"),
        (
            ["--profile", "heavy"],
            "error: --profile = 'heavy' is not one of its words\n  One of: light, balanced.",
        ),
    ],
)
def test_ports_and_profiles_that_cannot_be(tmp_path: Path, arguments: list[str], said: str) -> None:
    with running(tmp_path, "server", "--state", str(tmp_path / "state"), *arguments) as server:
        code, out, err = server.end()
    assert (code, out) == (2, "")
    assert err.startswith(said)


def test_share_links_ask_for_the_session_of_the_flag(tmp_path: Path) -> None:
    arguments = ["--state", str(tmp_path / "state")]
    with running(tmp_path, "server", *arguments, "--session", "kcp") as server:
        printed = server.out.readline()
        with running(tmp_path, "user", "add", "phone", "--json", *arguments) as user:
            code, out, _ = user.end()
        server.signal(signal.SIGTERM)
        served, _, said = server.end()
    assert served == code == 0
    assert "  session    kcp" in said
    assert ShareLink.parse(printed).session == "kcp"
    assert ShareLink.parse(json.loads(out)["link"]).session == "kcp"
    # Also of a server that does not run.
    with running(tmp_path, "link", *arguments) as later:
        assert later.end()[1] == printed


def test_a_session_that_there_is_not(tmp_path: Path) -> None:
    with running(tmp_path, "server", "--state", str(tmp_path / "state"), "--session", "kpc") as server:
        code, out, said = server.end()
    assert (code, out) == (2, "")
    assert said.splitlines() == [
        "error: --session = 'kpc' is not one of its words",
        "  Did you mean 'kcp'? One of: quic, kcp.",
    ]


def test_each_carrier_has_its_lines(tmp_path: Path) -> None:
    arguments = ["server", "--state", str(tmp_path / "state"), "--advertise", "a.example"]
    listen = ["--listen", "127.0.0.1:4433", "--listen", "rawtcp://[::1]:443,8443", "--interface", "eth0"]
    with running(tmp_path, *arguments, *listen, "--advertise", "rawtcp://b.example:443") as server:
        link = ShareLink.parse(server.out.readline())
        server.signal(signal.SIGTERM)
        code, _, said = server.end()
    assert code == 0
    assert [str(one.endpoint) for one in link.servers] == ["a.example:4433", "rawtcp://b.example:443"]
    lines = [re.sub(" +", " ", line) for line in said.splitlines()]
    at = lines.index(" listening udp 127.0.0.1:4433 kept for the next start")
    assert lines[at + 1 : at + 5] == [
        " listening rawtcp [::1]:443,8443 raw TCP, while it is asked for: not kept for the next start",
        " 2 ports to hop between: let TCP in on all of them",
        " reachable a.example:4433 as given",
        " reachable rawtcp://b.example:443 as given",
    ]


def test_each_carrier_has_its_record_as_json(tmp_path: Path) -> None:
    arguments = ["server", "--state", str(tmp_path / "state"), "--log-format", "json"]
    with running(
        tmp_path, *arguments, "--listen", "127.0.0.1:4433", "--listen", "rawtcp://127.0.0.1:443"
    ) as server:
        server.out.readline()
        server.signal(signal.SIGTERM)
        said = server.end()[2]
    records = [record for record in map(json.loads, said.splitlines()) if record["message"] == "serving"]
    assert [record["facts"] for record in records] == [
        {"listening": "127.0.0.1:4433", "reachable": "127.0.0.1:4433"},
        {"listening": "rawtcp://127.0.0.1:443", "reachable": "rawtcp://127.0.0.1:443"},
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--listen", "tcp://443"], "error: --listen = 'tcp://443' has tcp://, which is no carrier\n"),
        (
            ["--listen", "1", "--listen", "2"],
            'error: --listen = "2" is a second place for the same carrier\n',
        ),
        (
            ["--listen", "rawtcp://a.example:1"],
            "error: --listen = 'rawtcp://a.example:1' needs an IP address",
        ),
        (["--interface", "eth0:1"], "error: --interface = 'eth0:1' is not the name of an interface\n"),
        (
            ["--advertise", "rawtcp://a.example"],
            "error: --advertise: advertise names rawtcp://a.example, and",
        ),
        (["--carrier", "rawtcp"], "error: unknown option '--carrier'."),
    ],
)
def test_carriers_that_cannot_be(tmp_path: Path, arguments: list[str], said: str) -> None:
    with running(tmp_path, "server", "--state", str(tmp_path / "state"), *arguments) as server:
        code, out, err = server.end()
    assert (code, out) == (2, "")
    assert err.startswith(said)
    assert not (tmp_path / "state").exists()


def test_a_missing_right_is_told_with_the_commands_that_give_it(tmp_path: Path) -> None:
    arguments = ["server", "--state", str(tmp_path / "state"), "--listen", "rawtcp://127.0.0.1:443"]
    with running(tmp_path, *arguments, FAKE_NO_RIGHTS="1") as server:
        code, out, said = server.end()
    assert (code, out) == (1, "")
    python = Path(sys.executable).resolve()
    assert said.splitlines()[:3] == [
        "error: raw TCP needs the right to open packet sockets (CAP_NET_RAW)",
        f"  sudo setcap cap_net_raw,cap_net_bind_service+ep {python}",
        "  Or in the unit of a systemd service:  AmbientCapabilities=CAP_NET_RAW CAP_NET_BIND_SERVICE",
    ]
