"""Where a look at the network leads."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ginnel.cli._arguments import Parser
from ginnel.cli._whereto import add_whereto
from ginnel.cli._whereto import whereto as read
from ginnel.config.ports import Ports
from ginnel.config.sharelink import ShareLink
from ginnel.doctor.finding import Wanted
from ginnel.errors import ConfigError

TO_SERVER = Wanted(("192.0.2.1",), ports="5", role="client")


def whereto(arguments: list[str]) -> Wanted:
    """What a command with all of these arguments makes of some."""
    parser = Parser("doctor", "", [("ginnel doctor", "")])
    add_whereto(parser, carrier=True)
    return read(parser.parse(arguments))


def test_a_host_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GINNEL_LINK", raising=False)
    assert whereto([]) == Wanted()
    assert whereto(["VPN.example.net."]) == Wanted(("vpn.example.net",))
    assert whereto(["[2001:db8::1]"]) == Wanted(("2001:db8::1",))
    for words in (["a.test", "b.test"], ["no host"], ["300.1.2.3"], [""]):
        with pytest.raises(ConfigError):
            whereto(words)


def test_a_share_link_in_every_form(link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "link.txt"
    file.write_text(link)
    assert whereto([link]) == TO_SERVER
    assert whereto([link[:40], link[40:]]) == TO_SERVER
    assert whereto([str(file)]) == TO_SERVER
    monkeypatch.setenv("GINNEL_LINK", link)
    assert whereto([]) == TO_SERVER
    assert "GINNEL_LINK" not in os.environ
    monkeypatch.setenv("GINNEL_LINK", link)
    assert whereto(["192.0.2.9"]) == Wanted(("192.0.2.9",))
    assert "GINNEL_LINK" not in os.environ


def test_a_configuration_of_either_role(link: str, tmp_path: Path) -> None:
    client, server = tmp_path / "client.toml", tmp_path / "server.toml"
    client.write_text(f'role = "client"\nlink = "{link}"\n')
    client.chmod(0o600)
    assert whereto([str(client)]) == TO_SERVER
    server.write_text('role = "server"\nlisten = "0.0.0.0:443,8443"\n')
    assert whereto([str(server)]) == Wanted(ports="443,8443", role="server")
    server.write_text('role = "server"\n')
    assert whereto([str(server)]) == Wanted(role="server")
    server.write_text('role = "server"\nlistne = 5\n')
    with pytest.raises(ConfigError, match="listne"):
        whereto([str(server)])


def carried(link: str, *carriers: str) -> str:
    """The share link of the same server with these carriers, at ports 5, 6, …"""
    parsed = ShareLink.parse(link)
    servers = tuple(
        parsed.servers[0].model_copy(update={"carrier": carrier, "ports": Ports.one(5 + number)})
        for number, carrier in enumerate(carriers)
    )
    return parsed.model_copy(update={"servers": servers}).to_text()


@pytest.mark.parametrize(
    ("carriers", "arguments", "needed", "ports"),
    [
        (["udp"], [], False, "5"),
        (["udp", "rawtcp"], [], False, "5,6"),
        (["rawtcp"], [], True, "5"),
        (["udp"], ["--carrier", "rawtcp"], True, "5"),
        (["udp", "rawtcp"], ["--carrier", "rawtcp"], True, "6"),
        (["udp", "rawtcp"], ["--carrier", "udp"], False, "5"),
        (["rawtcp"], ["--carrier", "udp"], False, "5"),
    ],
)
def test_raw_tcp_is_needed_where_nothing_else_leads_to_a_server(
    link: str, tmp_path: Path, carriers: list[str], arguments: list[str], needed: bool, ports: str
) -> None:
    """A client whose link has UDP as well goes on with that."""
    whole = carried(link, *carriers)
    wanted = Wanted(("192.0.2.1",), ports=ports, role="client", rawtcp=needed)
    assert whereto([whole, *arguments]) == wanted
    file = tmp_path / "client.toml"
    file.write_text(f'role = "client"\nlink = "{whole}"\n')
    file.chmod(0o600)
    assert whereto([str(file), *arguments]) == wanted
    if arguments:
        file.write_text(f'role = "client"\nlink = "{whole}"\ncarrier = "{arguments[1]}"\n')
        assert whereto([str(file)]) == wanted


def test_a_server_needs_every_carrier_that_it_listens_with(tmp_path: Path) -> None:
    server = tmp_path / "server.toml"
    server.write_text('role = "server"\nlisten = ["4433", "rawtcp://443"]\n[rawtcp]\ninterface = "eth1"\n')
    wanted = Wanted(ports="4433,443", role="server", rawtcp=True, interface="eth1")
    assert whereto([str(server)]) == wanted
    assert whereto([str(server), "--carrier", "udp"]) == replace(wanted, rawtcp=False)
    server.write_text('role = "server"\n')
    assert whereto([str(server), "--carrier", "rawtcp"]) == Wanted(role="server", rawtcp=True)


def test_the_carrier_and_the_interface_are_those_of_the_flags(link: str, tmp_path: Path) -> None:
    assert whereto(["--carrier", "rawtcp"]) == Wanted(rawtcp=True)
    assert whereto(["192.0.2.9", "--carrier", "rawtcp"]) == Wanted(("192.0.2.9",), rawtcp=True)
    assert whereto(["--interface", "wg0"]) == Wanted(interface="wg0")
    file = tmp_path / "client.toml"
    file.write_text(f'role = "client"\nlink = "{link}"\n[rawtcp]\ninterface = "eth1"\nsource = "192.0.2.7"\n')
    file.chmod(0o600)
    wanted = replace(TO_SERVER, interface="eth1", source="192.0.2.7")
    assert whereto([str(file)]) == wanted
    assert whereto([str(file), "--interface", "wg0"]) == replace(wanted, interface="wg0")
    for arguments in (["--carrier", "tcp"], ["--interface", "eth 0"]):
        with pytest.raises(ConfigError):
            whereto(arguments)
