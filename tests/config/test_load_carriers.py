"""Settings of carriers from all layers, and every mistake in them with its place."""

from pathlib import Path

import pytest

from ginnel.config.load import Loaded
from ginnel.config.rawtcp import RawTcpConfig
from ginnel.config.values import ClientConfig, ServerConfig
from tests.config.test_load import client, lines, server
from tests.config.test_values import LINK


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a directory of its own, so that messages show the names of files alone."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


BOTH = 'listen = ["udp://4433", "rawtcp://443"]'


def places(loaded: Loaded) -> tuple[list[str], int | None, list[str]]:
    """Where a server listens, how many ports it draws, what it advertises."""
    config = loaded.usable()
    assert isinstance(config, ServerConfig)
    return [*map(str, config.listen or ())], config.ports, [*map(str, config.advertise or ())]


def test_a_server_listens_at_a_place_for_each_carrier() -> None:
    assert places(server(BOTH))[0] == ["0.0.0.0:4433", "rawtcp://0.0.0.0:443"]
    assert places(server("", {"GINNEL_LISTEN": "udp://1,2 rawtcp://3"}))[0] == [
        "0.0.0.0:1-2",
        "rawtcp://0.0.0.0:3",
    ]
    assert places(server(BOTH, {}, "listen=rawtcp://[::1]:5"))[0] == ["rawtcp://[::1]:5"]
    told = 'advertise = ["a.example", "rawtcp://b.example:8443"]'
    assert places(server(f"{BOTH}\n{told}"))[2] == ["a.example", "rawtcp://b.example:8443"]


def test_ports_to_draw_go_with_raw_tcp() -> None:
    assert places(server('listen = "rawtcp://443"\nports = 5'))[:2] == (["rawtcp://0.0.0.0:443"], 5)
    # A higher layer that has either stands for both.
    assert places(server("ports = 5", {"GINNEL_LISTEN": "rawtcp://443"}))[:2] == (
        ["rawtcp://0.0.0.0:443"],
        None,
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            'listen = [\n"4433",\n"tcp://443",\n]',
            'server.toml:4: listen = "tcp://443" has tcp://, which is no carrier. ginnel makes no ordinary TCP'
            " connections; rawtcp:// looks like one on the way. Write udp:// (also meant where there is no scheme) or"
            " rawtcp://.",
        ),
        (
            'listen = ["1", "udp://2"]',
            'server.toml:2: listen = "udp://2" is a second place for the same carrier. One for each carrier:'
            ' ["udp://0.0.0.0:4433,5000-5100", "rawtcp://0.0.0.0:443"].',
        ),
        (
            f"ports = 5\n{BOTH}",
            "server.toml:2: both listen and ports are given. listen says which ports, ports how many to draw: take one"
            " of them out.",
        ),
        (
            'listen = "443"\nadvertise = "rawtcp://a.example"',
            "server.toml:3: advertise names rawtcp://a.example, and the server does not listen with rawtcp."
            " It listens with udp: see listen.",
        ),
        (
            'rawtcp.interface = "eth 0"',
            'server.toml:2: rawtcp.interface = "eth 0" is not the name of an interface. A name of at most 15 letters,'
            ' such as "eth0". See: ginnel interfaces',
        ),
        (
            '[rawtcp]\ngateway = "ff:ff:ff:ff:ff:ff"',
            'server.toml:3: rawtcp.gateway = "ff:ff:ff:ff:ff:ff" is the address of no single machine. Six pairs of'
            ' hexadecimal digits, such as "02:00:00:00:00:01". See: ip neighbour',
        ),
        ("[rawtcp]\nmtu = 1300", "server.toml:3: unknown key 'rawtcp.mtu'."),
        (
            '[rawtcp]\nsource = "192.0.2.1"',
            "server.toml:3: rawtcp.source belongs to a client, and this is a server. Take it out: a server sends from"
            ' the address it listens on, such as listen = "rawtcp://192.0.2.1:443".',
        ),
        (
            'carrier = "rawtcp"',
            "server.toml:2: carrier belongs to a client, and this is a server. Take it out.",
        ),
    ],
)
def test_what_is_wrong_about_carriers_is_told_with_its_place(text: str, found: str) -> None:
    (line,) = lines(server(text))
    assert line.startswith(found)


def test_a_server_is_told_its_interface_and_its_gateway_but_no_source() -> None:
    text = '[rawtcp]\ninterface = "eth0"\ngateway = "02:00:00:00:00:01"'
    config = server(text).usable()
    assert config.rawtcp == RawTcpConfig(interface="eth0", gateway="02:00:00:00:00:01")
    (line,) = lines(server(text, {}, "rawtcp.source=192.0.2.1"))
    assert line.startswith("--set: rawtcp.source belongs to a client, and this is a server. Take it out: ")
    # The environment may serve a client too.
    assert server(text, {"GINNEL_RAWTCP_SOURCE": "192.0.2.1"}).usable().rawtcp.source is None


def test_a_client_is_told_its_carrier_and_its_way() -> None:
    Path("link").write_text(LINK.to_text())
    Path("link").chmod(0o600)
    text = 'link_file = "link"\ncarrier = "rawtcp"\n[rawtcp]\ninterface = "eth0"\nsource = "192.0.2.1"\n'
    config = client(text + 'gateway = "02-00-00-00-00-01"').usable()
    assert isinstance(config, ClientConfig)
    assert config.carrier == "rawtcp"
    assert config.rawtcp == RawTcpConfig(interface="eth0", source="192.0.2.1", gateway="02:00:00:00:00:01")
    (line,) = lines(client('link_file = "link"\ncarrier = "tcp"'))
    assert (
        line
        == "client.toml:3: carrier = \"tcp\" is not one of its words. Did you mean 'rawtcp'? One of: udp, rawtcp."
    )
