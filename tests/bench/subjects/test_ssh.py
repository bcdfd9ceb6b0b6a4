from collections.abc import Callable

import pytest

from bench.programs import BenchError
from bench.subjects import Lab
from bench.subjects.ssh import Ssh, make_key

Peers = Callable[..., Callable[[], list[str]]]
KEYGEN = 'for last; do :; done; echo key > "$last"; echo "ssh-ed25519 AAAA" > "$last.pub"'


def test_it_uses_keys_and_files_of_our_own(
    lab: Lab, peers: Peers, installed: Callable[[str, str], object]
) -> None:
    said = peers("ssh", "sshd")
    installed("ssh-keygen", KEYGEN)
    with Ssh().running(lab) as running:
        running.check()
        assert len(running.pids()) == 2
    home = lab.directory / "ssh"
    server, client = said()
    assert server == f"sshd -D -e -f {home / 'sshd_config'}"
    assert f"-F none -o UserKnownHostsFile={home / 'known'} -i {home / 'user'}" in client
    assert "-o BatchMode=yes" in client
    assert (home / "known").read_text().startswith("[127.0.0.1]:")
    config = (home / "sshd_config").read_text()
    for line in (
        f"HostKey {home / 'host'}",
        f"AuthorizedKeysFile {home / 'authorized'}",
        "PasswordAuthentication no",
    ):
        assert line in config.splitlines()


def test_keys_that_cannot_be_made_are_told(lab: Lab, installed: Callable[[str, str], object]) -> None:
    installed("ssh-keygen", "echo no room >&2; exit 1")
    with pytest.raises(BenchError, match="ssh-keygen: no room"):
        make_key(lab.home("x") / "key")


def test_an_sshd_that_ends_is_told(lab: Lab, installed: Callable[[str, str], object]) -> None:
    installed("ssh-keygen", KEYGEN)
    installed("sshd", "echo no privileges >&2; exit 255")
    with pytest.raises(BenchError, match="it ended with 255: no privileges"), Ssh().running(lab):
        pytest.fail("it must not start")
