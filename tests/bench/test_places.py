"""Namespaces with a stand-in for `ip`, which notes what it is asked; and real ones, where they can be had."""

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import places
from bench.programs import BenchError

Install = Callable[[str, str], Path]

FAKE_IP = """
echo "$*" >> "{log}"
case "$*" in *"{bad}"*) echo "cannot do that" >&2; exit 2;; esac
"""


class FakeIp:
    """The stand-in's notes."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def asked(self, words: str) -> list[str]:
        return [line for line in self._log.read_text().splitlines() if words in line]

    @property
    def left_over(self) -> set[str]:
        added = {line.split()[2] for line in self.asked("netns add")}
        return added - {line.split()[2] for line in self.asked("netns delete")}


@pytest.fixture
def fake_ip(installed: Install, tmp_path: Path) -> Callable[[str], FakeIp]:
    def install(bad: str = "nothing is bad") -> FakeIp:
        log = tmp_path / "asked"
        installed("ip", FAKE_IP.format(log=log, bad=bad))
        return FakeIp(log)

    return install


def test_two_namespaces_are_joined_and_removed(fake_ip: Callable[[], FakeIp]) -> None:
    ip = fake_ip()
    with places.veth_pair() as ends:
        assert ends.kind == "network namespaces"
        assert ends.client.namespace != ends.server.namespace
        assert str(ends.client.namespace).startswith("ginnel-bench-")
        assert ends.client.command("true", "x") == ["ip", "netns", "exec", ends.client.namespace, "true", "x"]
        assert len(ip.asked("address add")) == 2
        assert ip.left_over == {ends.client.namespace, ends.server.namespace}
    assert ip.left_over == set()


@pytest.mark.parametrize("offloads", [True, False])
def test_offloads_are_switched_off_when_asked(fake_ip: Callable[[], FakeIp], offloads: bool) -> None:
    ip = fake_ip()
    with places.veth_pair(offloads=offloads) as ends:
        asked = ip.asked("ethtool -K bench0 tso off gso off gro off tx-udp-segmentation off")
    names = [line.split()[2] for line in asked]
    assert names == ([] if offloads else [ends.client.namespace, ends.server.namespace])


@pytest.mark.parametrize(
    "bad", ["netns add ginnel-bench-s", "link set lo up", "exec", "link add", "address add"]
)
def test_nothing_is_left_when_a_step_fails(fake_ip: Callable[[str], FakeIp], bad: str) -> None:
    ip = fake_ip(bad)
    with pytest.raises(BenchError, match="cannot do that"), places.veth_pair():
        pytest.fail("it must not get so far")
    assert ip.left_over == set()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_nothing_is_left_when_the_block_fails(
    fake_ip: Callable[[], FakeIp], error: type[BaseException]
) -> None:
    ip = fake_ip()
    with pytest.raises(error), places.veth_pair():
        raise error
    assert ip.left_over == set()


def test_all_that_is_left_can_be_removed(fake_ip: Callable[[], FakeIp]) -> None:
    ip = fake_ip()
    held = places.veth_pair()
    held.__enter__()
    assert len(ip.left_over) == 2
    places.remove_all()
    assert ip.left_over == set()
    held.__exit__(None, None, None)


def test_a_removal_that_fails_is_tried_again_and_told(
    fake_ip: Callable[[str], FakeIp],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ip = fake_ip("netns delete")
    monkeypatch.setattr(places, "NAMED", tmp_path)
    with places.namespace("c") as name:
        (tmp_path / name).touch()
    assert len(ip.asked("netns delete")) == places.REMOVE_TRIES > 1
    assert "not removed: ip netns delete" in capsys.readouterr().err


def test_two_runs_do_not_meet(fake_ip: Callable[[], FakeIp]) -> None:
    fake_ip()
    with places.veth_pair() as one, places.veth_pair() as other:
        assert not {one.client.namespace, one.server.namespace} & {
            other.client.namespace,
            other.server.namespace,
        }


def test_ports_of_a_namespace_are_not_given_twice() -> None:
    place = places.Place("10.0.0.1", "somewhere")
    assert [place.free_port() for _ in range(3)] == [9000, 9001, 9002]
    assert places.Place("10.0.0.1", "elsewhere").free_port() == 9000


def test_loopback_needs_nothing() -> None:
    with places.loopback() as ends:
        assert ends.kind == "loopback"
        assert ends.server.command("true") == ["true"]
        with socket.create_server((ends.server.address, ends.server.free_port())):
            pass


def test_why_there_are_none_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert places.why_no_namespaces() == "network namespaces need root"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "/nowhere")
    assert "iproute2" in str(places.why_no_namespaces())


def test_root_that_cannot_is_told_too(
    fake_ip: Callable[[str], FakeIp], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    ip = fake_ip("netns add")
    assert str(places.why_no_namespaces()).endswith("cannot do that")
    assert ip.left_over == set()


def test_real_ones_reach_each_other_and_go() -> None:
    if reason := places.why_no_namespaces():
        pytest.skip(reason)
    with places.veth_pair() as ends:
        names = [str(ends.client.namespace), str(ends.server.namespace)]
        ping = "import socket; socket.create_connection(('10.77.0.2', 1), 5)"
        # Refused by the other end, so reached.
        done = subprocess.run(
            ends.client.command("python3", "-c", ping), capture_output=True, text=True, check=False
        )
        assert "ConnectionRefusedError" in done.stderr
        shown = subprocess.run(
            ends.client.command("cat", "/proc/sys/net/ipv4/ip_local_port_range"),
            capture_output=True,
            text=True,
            check=True,
        )
        assert shown.stdout.split() == ["15000", "65535"]
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert not any(name in listed for name in names)
