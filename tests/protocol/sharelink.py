"""Section 13: share links of every format, read; and written in format 1."""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
from dataclasses import dataclass

from .packets import Reader
from .primitives import Refused

SCHEME = "ginnel://"
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
BLOCK = 16
CHECKSUM = 4
NO_PROFILE = 255
MOST_SERVERS, LONGEST_LABEL = 8, 64
MOST_RANGES, MOST_PORTS = 16, 256
FIELDS = {
    "junk_count": (0, 16),
    "junk_size": (1, 1200),
    "junk_spacing": (0, 100),
    "request_size": (265, 1200),
    "burst_packets": (0, 100),
    "burst_padding": (0, 1000),
    "burst_cut": (0, 800),
    "small_padding": (0, 500),
    "control_padding": (24, 119),
    "segment_cut": (0, 200),
}
"""A profile's fields in their order, with what both of their bounds may be."""
FIELDS_3 = FIELDS | {"printable": (6, 64)}
"""The same in format 3."""


@dataclass(frozen=True)
class ServerEntry:
    """One server, and the keys that are for it."""

    host: str
    ports: tuple[tuple[int, int], ...]
    public_key: bytes
    psk: bytes
    private_key: bytes
    carrier: int = 0


@dataclass(frozen=True)
class ShareLink:
    """What a client needs."""

    label: str
    servers: tuple[ServerEntry, ...]
    preset: int = NO_PROFILE
    profile: dict[str, tuple[int, int]] | None = None
    session: int = 0


def parse(text: str) -> ShareLink:
    """Read a link."""
    reader = Reader(unseal(letters(text)))
    number = reader.number(1)
    reader.take(2)
    session = reader.number(1)
    if number not in (1, 2, 3) or session not in (0, 1) or (number < 3 and reader.number(1) != 0):
        raise Refused("a format, session or carrier that is not known")
    link = format_1(reader) if number == 1 else formats_2_and_3(reader, has_carriers=number == 3)
    link = dataclasses.replace(link, session=session)
    if reader.left:
        raise Refused("something is left over")
    return link


def write(
    host: str, port: int, server_public: bytes, psk: bytes, private_key: bytes, *, session: int = 0
) -> str:
    """A link of format 1 with one server, at an IPv4 address."""
    server = b"\1" + ipaddress.IPv4Address(host).packed + port.to_bytes(2, "big") + server_public
    body = bytes([session, 0]) + psk + private_key + b"\0\1" + server
    data = b"\1" + (3 + len(body) + CHECKSUM).to_bytes(2, "big") + body
    bits = "".join(f"{byte:08b}" for byte in data + checksum(data))
    bits += "0" * (-len(bits) % 5)
    numbers = [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]
    text = SCHEME
    for index, start in enumerate(range(0, len(numbers), BLOCK - 1)):
        block = numbers[start : start + BLOCK - 1]
        text += "".join(LETTERS[value] for value in (*block, check_letter(index + 1, block)))
    return text


def checksum(data: bytes) -> bytes:
    """What a payload ends with."""
    return hashlib.blake2s(data, digest_size=CHECKSUM, person=b"ginnel-l").digest()


def letters(text: str) -> list[int]:
    """The numbers that the letters stand for."""
    if not text.lower().startswith(SCHEME):
        raise Refused("no share link")
    plain = "".join(text[len(SCHEME) :].split()).upper().translate(str.maketrans("ILO", "110"))
    if not set(plain) <= set(LETTERS):
        raise Refused("a letter that is none")
    return [LETTERS.index(letter) for letter in plain]


def check_letter(number: int, block: list[int]) -> int:
    """The check of a block, whose number begins with 1."""
    state = number % 32
    for value in block:
        state = times_x(state) ^ value
    return times_x(state)


def times_x(value: int) -> int:
    """In GF(32)."""
    return value << 1 ^ 0b100101 if value & 16 else value << 1


def unseal(numbers: list[int]) -> bytes:
    """The payload without its checksum."""
    bits = ""
    for index, start in enumerate(range(0, len(numbers), BLOCK)):
        *block, check = numbers[start : start + BLOCK]
        if not block or check != check_letter(index + 1, block):
            raise Refused(f"block {index + 1} is damaged")
        bits += "".join(f"{value:05b}" for value in block)
    size = len(bits) // 8
    payload, rest = bits[: 8 * size], bits[8 * size :]
    data = int("0" + payload, 2).to_bytes(size, "big")
    plain = data[:-CHECKSUM]
    if "1" in rest or size != int.from_bytes(data[1:3], "big") or data != plain + checksum(plain):
        raise Refused("length or checksum does not fit")
    return plain


def format_1(reader: Reader) -> ShareLink:
    """One deployment, one port a server, no profile."""
    psk, private_key = reader.take(32), reader.take(32)
    label = read_label(reader)
    servers = []
    for _ in range(read_count(reader)):
        host, port = read_host(reader), reader.number(2)
        servers.append(ServerEntry(host, checked_ports([(port, port)]), reader.take(32), psk, private_key))
    return ShareLink(label, tuple(servers))


def formats_2_and_3(reader: Reader, *, has_carriers: bool) -> ShareLink:
    """With secrets by number, ranges of ports, and a profile; format 3 with a carrier for each server."""
    label = read_label(reader)
    secrets = [reader.take(32) for _ in range(reader.number(1))]
    servers, named = [], list[int]()
    for _ in range(read_count(reader)):
        if (carrier := reader.number(1) if has_carriers else 0) > 1:
            raise Refused("a carrier that is not known")
        psk, private_key = reader.number(1), reader.number(1)
        named += psk, private_key
        if max(named) >= len(secrets):
            raise Refused("a secret that is not there")
        host = read_host(reader)
        ports = checked_ports([(reader.number(2), reader.number(2)) for _ in range(reader.number(1))])
        keys = reader.take(32), secrets[psk], secrets[private_key]
        servers.append(ServerEntry(host, ports, *keys, carrier))
    if has_carriers and not any(server.carrier for server in servers):
        raise Refused("what an earlier format can say")
    if list(dict.fromkeys(named)) != list(range(len(secrets))) or len(set(secrets)) != len(secrets):
        raise Refused("secrets out of order, twice, or for nobody")
    preset = reader.number(1)
    fields = FIELDS_3 if has_carriers else FIELDS
    profile = None if preset == NO_PROFILE else read_profile(reader, preset, fields)
    return ShareLink(label, tuple(servers), preset, profile)


def read_profile(
    reader: Reader, preset: int, fields: dict[str, tuple[int, int]]
) -> dict[str, tuple[int, int]]:
    """Two bounds for each field."""
    profile = {}
    for name, (low, high) in fields.items():
        size = 1 if high < 256 else 2
        profile[name] = least, most = reader.number(size), reader.number(size)
        if not low <= least <= most <= high:
            raise Refused(f"impossible {name}")
    if preset > 2:
        raise Refused("a preset that is not known")
    return profile


def read_label(reader: Reader) -> str:
    """A name for people."""
    label = reader.take(reader.number(1))
    if len(label) > LONGEST_LABEL:
        raise Refused("a label that is too long")
    return label.decode()


def read_count(reader: Reader) -> int:
    """How many servers there are."""
    if not 1 <= (count := reader.number(1)) <= MOST_SERVERS:
        raise Refused("no servers, or too many")
    return count


def checked_ports(ports: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Ranges that ascend, with a gap between each two."""
    end = -1
    for first, last in ports:
        if not max(1, end + 2) <= first <= last:
            raise Refused("port 0, or ranges that do not ascend")
        end = last
    if not 1 <= len(ports) <= MOST_RANGES or sum(last - first + 1 for first, last in ports) > MOST_PORTS:
        raise Refused("no port, or too many")
    return tuple(ports)


def read_host(reader: Reader) -> str:
    """An address or a name."""
    kind = reader.number(1)
    if kind == 1:
        return str(ipaddress.IPv4Address(reader.take(4)))
    if kind == 4:
        return str(ipaddress.IPv6Address(reader.take(16)))
    if kind != 3:
        raise Refused("a type of host that is not known")
    return reader.take(reader.number(1)).decode("ascii")
