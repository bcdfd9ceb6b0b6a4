"""The bytes of a capture file, taken from front to end, with the place where they are for whoever must complain."""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

from ginnel.errors import CaptureError

PIECE = 65_536
"""Bytes that are asked for at once: what a length field claims is believed only as far as the file goes."""


class Frame(NamedTuple):
    """One captured frame."""

    number: int
    """1 for the first of the file, as other programs count."""
    time: float
    """Seconds since 1970; 0 where the file does not say."""
    link_type: int
    """What the frame begins with: a LINKTYPE_ number of the pcap registry."""
    data: bytes
    length: int
    """Bytes that it had on the wire; more than `data` has, where the capture cut it."""


class Source:
    """A file and how far it has been read."""

    def __init__(self, file: BinaryIO, path: str | None) -> None:
        self._file = file
        self.path = path
        self.offset = 0
        self.packet = 0
        """The frame that is being read, or was read last."""

    def take(self, size: int, what: str) -> bytes:
        """Exactly `size` bytes, or an error that says that the file ends in `what`."""
        data = self.take_or_end(size, what)
        if len(data) < size:
            raise self.error(f"the file ends where {what} should begin", _CUT)
        return data

    def take_or_end(self, size: int, what: str) -> bytes:
        """`size` bytes; none at the end of the file; an error if it ends between."""
        pieces = []
        missing = size
        while missing:
            piece = self._read(min(missing, PIECE))
            if not piece:
                break
            pieces.append(piece)
            missing -= len(piece)
        if pieces and missing:
            raise self.error(f"the file ends within {what}: {missing} of {size} bytes are missing", _CUT)
        self.offset += size - missing
        return b"".join(pieces)

    def skip(self, size: int, what: str) -> None:
        """Pass over `size` bytes, however many they claim to be, without keeping them."""
        while size:
            piece = min(size, PIECE)
            self.take(piece, what)
            size -= piece

    def error(self, message: str, hint: str, *, offset: int | None = None) -> CaptureError:
        """The error for what is wrong here."""
        at = self.offset if offset is None else offset
        where = f"packet {self.packet}, byte {at}" if self.packet else f"byte {at}"
        name = f"{self.path}: " if self.path else ""
        return CaptureError(
            f"{name}{message} ({where})", hint=hint, path=self.path, packet=self.packet or None, offset=at
        )

    def _read(self, size: int) -> bytes:
        try:
            return self._file.read(size) or b""
        except OSError as error:
            raise self.error(f"cannot be read: {error.strerror or error}", "") from error


_CUT = "The capture was cut off: all packets before this one are good. Record it again, or let its recorder finish."
