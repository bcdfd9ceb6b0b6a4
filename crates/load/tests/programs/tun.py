"""Two namespaces with a TUN device each, and a wire between them until standard input ends.

`tun.py NAMESPACE NAMESPACE WIRE…`: makes both namespaces, runs the command WIRE with the devices as its standard input
and output, and removes the namespaces. The ends are 10.0.0.1 and 10.0.0.2.
"""

import fcntl
import os
import signal
import struct
import subprocess
import sys

TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001
IP = "/usr/bin/env", "ip"


def ip(*words: str) -> None:
    """Run ip; CalledProcessError with its words when it fails."""
    subprocess.run([*IP, *words], check=True, capture_output=True, text=True)


def device(name: str, namespace: str, address: str, peer: str) -> int:
    """A TUN device in a namespace; its descriptor."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_NO_PI))
    ip("link", "set", "dev", name, "netns", namespace)
    ip("-n", namespace, "address", "add", address, "peer", peer, "dev", name)
    ip("-n", namespace, "link", "set", "dev", name, "up")
    return descriptor


def main(one: str, other: str, wire: list[str]) -> int:
    """The wire's exit code; 0 where this is not permitted, which it says."""
    try:
        for namespace in (one, other):
            ip("netns", "add", namespace)
        names = [f"gl{os.getpid()}{end}"[-15:] for end in "ab"]
        first = device(names[0], one, "10.0.0.1", "10.0.0.2")
        second = device(names[1], other, "10.0.0.2", "10.0.0.1")
    except (OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"not permitted: {getattr(error, 'stderr', None) or error}\n")
        return 0
    with subprocess.Popen(wire, stdin=first, stdout=second) as process:
        sys.stdin.read()
        process.send_signal(signal.SIGTERM)
        return process.wait()


if __name__ == "__main__":
    try:
        code = main(sys.argv[1], sys.argv[2], sys.argv[3:])
    finally:
        for made in sys.argv[1:3]:
            subprocess.run([*IP, "netns", "delete", made], check=False, capture_output=True)
    sys.exit(code)
