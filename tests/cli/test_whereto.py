"""Where a look at the network leads."""

import os
from pathlib import Path

import pytest

from ginnel.cli._whereto import whereto
from ginnel.doctor.finding import Wanted
from ginnel.errors import ConfigError

TO_SERVER = Wanted(("192.0.2.1",), ports="5", role="client")


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
