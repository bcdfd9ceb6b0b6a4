"""Frames of QUIC (RFC 9000, section 19; acknowledgement frequency: draft-ietf-quic-ack-frequency)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ginnel.dissect.opening import reply, request
from ginnel.dissect.reader import MalformedError, Reader

Fact = int | str | bool | list[list[int]]

_PADDING, _ACK, _ACK_ECN, _CRYPTO, _NEW_TOKEN, _NEW_CONNECTION_ID = 0x00, 0x02, 0x03, 0x06, 0x07, 0x18
_STREAM = range(0x08, 0x10)
_FIN, _LENGTH, _OFFSET = 0x01, 0x02, 0x04
_DATAGRAM, _DATAGRAM_LENGTH = 0x30, 0x31
_TRANSPORT_CLOSE, _APPLICATION_CLOSE = 0x1C, 0x1D
_BIDIRECTIONAL_OF_CLIENT = 0
"""The two lowest bits of such a stream's id."""

_SIMPLE: dict[int, tuple[str, tuple[str, ...]]] = {
    0x01: ("PING", ()),
    0x04: ("RESET_STREAM", ("stream", "error", "final_size")),
    0x05: ("STOP_SENDING", ("stream", "error")),
    0x10: ("MAX_DATA", ("maximum",)),
    0x11: ("MAX_STREAM_DATA", ("stream", "maximum")),
    0x12: ("MAX_STREAMS_BIDI", ("maximum",)),
    0x13: ("MAX_STREAMS_UNI", ("maximum",)),
    0x14: ("DATA_BLOCKED", ("limit",)),
    0x15: ("STREAM_DATA_BLOCKED", ("stream", "limit")),
    0x16: ("STREAMS_BLOCKED_BIDI", ("limit",)),
    0x17: ("STREAMS_BLOCKED_UNI", ("limit",)),
    0x19: ("RETIRE_CONNECTION_ID", ("sequence",)),
    0x1E: ("HANDSHAKE_DONE", ()),
    0x1F: ("IMMEDIATE_ACK", ()),
    0xAF: ("ACK_FREQUENCY", ("sequence", "threshold", "max_delay_us", "reordering")),
}
"""Frames that are numbers of variable length and nothing else: type, name, fields."""

_OPAQUE = {0x1A: "PATH_CHALLENGE", 0x1B: "PATH_RESPONSE"}
"""Frames of eight bytes."""


class Frame(NamedTuple):
    """One frame."""

    name: str
    """As the RFC writes it."""
    facts: dict[str, Fact]
    """What it says, by field."""


def frames(reader: Reader, *, from_client: bool) -> Iterator[Frame]:
    """The frames up to the reader's end. Raises MalformedError where they go wrong, after those before."""
    while reader.left:
        yield _frame(reader, from_client=from_client)


def _frame(reader: Reader, *, from_client: bool) -> Frame:
    began = reader.at
    kind = reader.varint("the type of a frame")
    if kind == _PADDING:
        return Frame("PADDING", {"length": 1 + reader.zeros()})
    if kind in _SIMPLE:
        name, fields = _SIMPLE[kind]
        return Frame(name, {field: reader.varint(f"{name} {field}") for field in fields})
    if kind in (_ACK, _ACK_ECN):
        return _ack(reader, ecn=kind == _ACK_ECN)
    if kind in _STREAM:
        return _stream(reader, kind, from_client=from_client)
    if kind == _CRYPTO:
        offset, length = reader.varint("CRYPTO offset"), reader.varint("CRYPTO length")
        reader.take(length, "CRYPTO data")
        return Frame("CRYPTO", {"offset": offset, "length": length})
    if kind == _NEW_TOKEN:
        return Frame("NEW_TOKEN", {"token": _bytes(reader, "NEW_TOKEN token")})
    if kind == _NEW_CONNECTION_ID:
        return _new_connection_id(reader)
    if kind in _OPAQUE:
        return Frame(_OPAQUE[kind], {"data": reader.take(8, _OPAQUE[kind]).hex()})
    if kind in (_TRANSPORT_CLOSE, _APPLICATION_CLOSE):
        return _close(reader, by_application=kind == _APPLICATION_CLOSE)
    if kind in (_DATAGRAM, _DATAGRAM_LENGTH):
        length = reader.varint("DATAGRAM length") if kind == _DATAGRAM_LENGTH else reader.left
        reader.take(length, "DATAGRAM data")
        return Frame("DATAGRAM", {"length": length})
    raise MalformedError(f"a frame of the unknown type {kind:#x}", began)


def _ack(reader: Reader, *, ecn: bool) -> Frame:
    """Ranges as lowest and highest number, the highest range first (section 19.3.1)."""
    high = reader.varint("ACK largest")
    delay = reader.varint("ACK delay")
    count = reader.varint("ACK range count")
    ranges: list[list[int]] = []
    for index in range(count + 1):
        if index:
            began = reader.at
            high = ranges[-1][0] - reader.varint("ACK gap") - 2
            if high < 0:
                raise MalformedError("an ACK range below 0", began)
        began = reader.at
        low = high - reader.varint("ACK range")
        if low < 0:
            raise MalformedError("an ACK range below 0", began)
        ranges.append([low, high])
    facts: dict[str, Fact] = {"ranges": ranges, "delay": delay}
    if ecn:
        facts |= {name: reader.varint(f"ACK {name}") for name in ("ect0", "ect1", "ce")}
    return Frame("ACK", facts)


def _stream(reader: Reader, kind: int, *, from_client: bool) -> Frame:
    stream = reader.varint("STREAM id")
    offset = reader.varint("STREAM offset") if kind & _OFFSET else 0
    length = reader.varint("STREAM length") if kind & _LENGTH else reader.left
    data = reader.take(length, "STREAM data")
    facts: dict[str, Fact] = {
        "stream": stream,
        "offset": offset,
        "length": length,
        "fin": bool(kind & _FIN),
    }
    if stream & 3 == _BIDIRECTIONAL_OF_CLIENT and offset == 0 and data:
        facts |= {"open": request(data)} if from_client else {"reply": reply(data)}
    return Frame("STREAM", facts)


def _new_connection_id(reader: Reader) -> Frame:
    sequence = reader.varint("NEW_CONNECTION_ID sequence")
    retire = reader.varint("NEW_CONNECTION_ID retire prior to")
    connection = reader.take(reader.number(1, "NEW_CONNECTION_ID length"), "NEW_CONNECTION_ID id")
    reader.take(16, "NEW_CONNECTION_ID token")
    return Frame(
        "NEW_CONNECTION_ID", {"sequence": sequence, "retire_prior_to": retire, "id": connection.hex()}
    )


def _close(reader: Reader, *, by_application: bool) -> Frame:
    facts: dict[str, Fact] = {"error": reader.varint("CONNECTION_CLOSE error")}
    if not by_application:
        facts["frame_type"] = reader.varint("CONNECTION_CLOSE frame type")
    reason = reader.take(reader.varint("CONNECTION_CLOSE reason length"), "CONNECTION_CLOSE reason")
    # Whoever wrote it may have meant the terminal that shows it.
    facts["reason"] = "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in reason)
    return Frame("APPLICATION_CLOSE" if by_application else "CONNECTION_CLOSE", facts)


def _bytes(reader: Reader, what: str) -> str:
    return reader.take(reader.varint(f"{what} length"), what).hex()
