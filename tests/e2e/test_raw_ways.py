"""Raw TCP on other devices than Ethernet, with and without the right to send frames, and beside UDP."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import until

from .machine import tcp_listeners, udp_sockets
from .network import WIRE, Network, pair
from .packets import ACK, RST, SYN, sniffed
from .process import Process
from .program import (
    CARRIERS,
    LOOPBACK,
    Client,
    Server,
    carrier_or_skip,
    command,
    environment,
    over_raw,
    over_sessions,
)
from .tun import bare_pair
from .tunnel import PORT, Tunnel, unbroken


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with pair() as made:
        yield made


@over_sessions
async def test_a_server_listens_on_both_carriers_and_the_client_says_which(
    network: Network, session: str, tmp_path: Path
) -> None:
    """On the same port; the carrier that the share link names first is the one that nobody has to ask for."""
    carrier_or_skip("rawtcp")
    more = "--listen", f"rawtcp://{network.server.written(PORT)}"
    with Tunnel(network, "udp", session, tmp_path, more=more) as tunnel:
        pid = tunnel.server.process.pid
        assert ([one.port for one in udp_sockets(pid)], tcp_listeners(pid)) == ([PORT], [PORT])
        assert f"{session} over udp" in tunnel.client.process.wait_said("link up")
        for carrier in CARRIERS:
            tunnel.client.process.stop()
            tunnel.client = tunnel.start_client("--carrier", carrier)
            assert f"{session} over {carrier}" in tunnel.client.process.wait_said("link up")
            await tunnel.both_ways(1_000_000)


@over_raw
@over_sessions
async def test_devices_without_ethernet_have_to_be_asked_for(
    carrier: str, session: str, tmp_path: Path
) -> None:
    """They are those of VPNs, which may not be what the user means: what leaves is not what the VPN would see."""
    with bare_pair() as network:
        asked = "--set", f"rawtcp.interface={WIRE}"
        with Tunnel(network, carrier, session, tmp_path, client=asked) as tunnel, unbroken(tunnel):
            await tunnel.both_ways(300_000)
            words = command("client", "-", "-D", f"{LOOPBACK}:0")
            other = Process(
                words,
                stdin=tunnel.server.link + "\n",
                env=environment(tmp_path),
                namespace=network.client.space,
            )
            assert f"through the tunnel {WIRE}" in other.wait_said("no way to the server")
            other.kill()


def without_frames(*words: str, home: Path, stdin: str | None = None) -> Process:
    """The program as root without CAP_NET_RAW, which ends at once."""
    carrier_or_skip("rawtcp")
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed (Debian: util-linux)")
    process = Process(
        ["setpriv", "--bounding-set=-net_raw", *command(*words)], stdin=stdin, env=environment(home)
    )
    assert process.wait(30) == 1
    return process


@over_raw
@over_sessions
async def test_the_right_to_send_frames_is_all_that_it_takes(
    network: Network, carrier: str, session: str, tmp_path: Path
) -> None:
    """Also where the kernel takes no filter for a TCP socket without CAP_NET_ADMIN: nobody else answers at our port."""
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed (Debian: util-linux)")
    alone = "setpriv", "--bounding-set=-net_admin"
    address = network.server.written(PORT)
    with (
        Server(
            tmp_path / "state",
            carrier=carrier,
            session=session,
            listen=address,
            namespace=network.server.space,
            wrap=alone,
        ) as server,
        sniffed(network.client.space, WIRE) as seen,
        Client(server.link, tmp_path, namespace=network.client.space, wrap=alone) as client,
    ):
        client.process.wait_said("link up")
        await until(lambda: any(one.payload for one in seen if one.source[1] == PORT))
        answers = [one for one in seen if one.flags == SYN | ACK]
        assert len(answers) == 1, "a kernel has answered as well"
        assert not [one for one in seen if one.flags & RST], "a kernel has refused"


def test_a_server_without_the_right_says_which_and_how_it_is_given(tmp_path: Path) -> None:
    words = "server", "--listen", f"rawtcp://{LOOPBACK}:0", "--state", str(tmp_path / "state")
    process = without_frames(*words, home=tmp_path)
    for word in ("CAP_NET_RAW", "setcap", "AmbientCapabilities"):
        assert word in process.stderr


def test_a_client_without_the_right_says_the_same(tmp_path: Path) -> None:
    carrier_or_skip("rawtcp")
    with Server(tmp_path / "state", carrier="rawtcp") as server:
        process = without_frames(
            "client", "-", "-D", f"{LOOPBACK}:0", home=tmp_path, stdin=server.link + "\n"
        )
    for word in ("CAP_NET_RAW", "setcap", "AmbientCapabilities"):
        assert word in process.stderr
