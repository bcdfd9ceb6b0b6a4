"""Segmentation offloads of an interface, by the ioctls of ethtool(8), which need no right to look."""

import ctypes
import fcntl
import socket
import struct
from collections.abc import Iterator

from ginnel.doctor.finding import Finding

_SIOCETHTOOL = 0x8946
_COMMANDS = {"tso": 0x1E, "gro": 0x2B}
"""ETHTOOL_GTSO and ETHTOOL_GGRO (linux/ethtool.h)."""
_WHAT = {
    "tso": "TCP segmentation offload (tso): many segments leave in one write",
    "gro": "generic receive offload (gro): many segments arrive in one read",
}
_NAME_BYTES = 15


def read(interface: str) -> dict[str, bool | None]:
    """Whether each offload is on; None where the system does not say."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            return {name: _ask(any_socket, interface, command) for name, command in _COMMANDS.items()}
    except OSError:
        return dict.fromkeys(_COMMANDS)


def _ask(any_socket: socket.socket, interface: str, command: int) -> bool | None:
    name = interface.encode()
    if len(name) > _NAME_BYTES:
        return None
    # struct ethtool_value: the command, and room for the answer; struct ifreq: a name, and a pointer to it.
    value = ctypes.create_string_buffer(struct.pack("=II", command, 0), 8)
    request = struct.pack("16sP16x", name, ctypes.addressof(value))
    try:
        fcntl.ioctl(any_socket, _SIOCETHTOOL, request)
    except OSError:
        return None
    return bool(struct.unpack("=II", value.raw)[1])


def check(interface: str, offloads: dict[str, bool | None]) -> Iterator[Finding]:
    """Judge the offloads: all works without them, at several times the CPU."""
    for name, is_on in offloads.items():
        found = f"{interface}: {_WHAT[name]}"
        if is_on:
            yield Finding("offloads", "ok", found)
        elif is_on is None:
            yield Finding(
                "offloads", "note", f"{interface}: {name} cannot be seen", f"ethtool -k {interface}"
            )
        else:
            yield Finding("offloads", "note", f"off on {found}", f"sudo ethtool -K {interface} {name} on")
