"""`ssh -D`, with an sshd of our own: own keys, own configuration, a free port; no file of the user is read."""

import contextlib
import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.places import LOOPBACK
from bench.programs import BenchError
from bench.subjects.base import Lab, Running, Subject, first_line, path_of, start_peer

SERVER_OPTIONS = (
    "PidFile none",
    "UsePAM no",
    # The directory of the keys is below /tmp, which strict modes do not like.
    "StrictModes no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "PermitRootLogin prohibit-password",
    "AllowTcpForwarding yes",
    "LogLevel ERROR",
)
CLIENT_OPTIONS = (
    "BatchMode=yes",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "GlobalKnownHostsFile=/dev/null",
    "StrictHostKeyChecking=yes",
    "ExitOnForwardFailure=yes",
    "ControlPath=none",
    "LogLevel=ERROR",
)


class Ssh(Subject):
    """OpenSSH's SOCKS listener."""

    key = "ssh"
    title = "ssh -D"
    needs = "ssh", "sshd", "ssh-keygen"

    def version(self) -> str | None:
        """The line of `ssh -V`."""
        return first_line("ssh", "-V")

    @contextlib.contextmanager
    def running(self, lab: Lab) -> Iterator[Running]:
        """An sshd for this user alone, and a client that knows its key."""
        home, address = lab.home(self.key), lab.ends.server.address
        host_key, user_key = (make_key(home / name) for name in ("host", "user"))
        port, socks = lab.ends.server.free_port(), lab.ends.client.free_port()
        user_key.with_suffix(".pub").rename(home / "authorized")
        known = home / "known"
        known.write_text(f"[{address}]:{port} {host_key.with_suffix('.pub').read_text()}")
        config = home / "sshd_config"
        places = [
            f"Port {port}",
            f"ListenAddress {address}",
            f"HostKey {host_key}",
            f"AuthorizedKeysFile {home / 'authorized'}",
        ]
        config.write_text("\n".join([*places, *SERVER_OPTIONS, ""]))
        options = [word for option in CLIENT_OPTIONS for word in ("-o", option)]
        options += ["-F", "none", "-o", f"UserKnownHostsFile={known}", "-i", str(user_key), "-p", str(port)]
        user = pwd.getpwuid(os.getuid()).pw_name
        # sshd wants to be called by its whole path.
        with start_peer(lab, "server", "sshd", path_of("sshd"), "-D", "-e", "-f", str(config)) as server:
            server.wait_socket(port)
            words = [*options, "-N", "-D", f"{LOOPBACK}:{socks}", f"{user}@{address}"]
            with start_peer(lab, "client", "ssh", path_of("ssh"), *words) as client:
                client.wait_socket(socks)
                yield Running(f"socks5://{LOOPBACK}:{socks}", server=[server], client=[client])


def make_key(path: Path) -> Path:
    """A fresh key without a passphrase. BenchError with the program's words."""
    command = [path_of("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"ssh-keygen: {done.stderr.strip()}")
    return path
