"""Takes fields off the front of bytes that anybody may have written, and says where they go wrong."""

from __future__ import annotations


class MalformedError(Exception):
    """What is wrong, and at which byte. Never leaves this room."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(what)
        self.what = what
        self.at = at


class Reader:
    """The bytes from `at` up to `end`."""

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self._data = data
        self.at = at
        self.end = len(data) if end is None else end

    @property
    def left(self) -> int:
        """Bytes that have not been taken."""
        return self.end - self.at

    @property
    def rest(self) -> bytes:
        """What has not been taken."""
        return self._data[self.at : self.end]

    def take(self, count: int, what: str) -> bytes:
        """`count` bytes of `what`."""
        if count > self.left:
            raise MalformedError(f"{what}: {count} bytes are claimed, {self.left} are left", self.at)
        self.at += count
        return self._data[self.at - count : self.at]

    def number(self, count: int, what: str) -> int:
        """A number of `count` bytes."""
        return int.from_bytes(self.take(count, what), "big")

    def little(self, count: int, what: str) -> int:
        """A number of `count` bytes, the least first."""
        return int.from_bytes(self.take(count, what), "little")

    def varint(self, what: str) -> int:
        """A number whose first two bits say its length (RFC 9000, section 16)."""
        began = self.at
        first = self.take(1, what)[0]
        try:
            rest = self.take((1 << (first >> 6)) - 1, what)
        except MalformedError as error:
            raise MalformedError(error.what, began) from None
        return int.from_bytes(bytes([first & 0x3F]) + rest, "big")

    def zeros(self) -> int:
        """Pass over zeros; how many there were."""
        count = self.left - len(self.rest.lstrip(b"\0"))
        self.at += count
        return count
