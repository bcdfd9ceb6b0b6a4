"""The keys of `ginnel dump`: from a share link, a server's state, a key log."""

import argparse
import os
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from ginnel import _native
from ginnel.cli._source import VARIABLE, resolve_link
from ginnel.config.kinds import resolve
from ginnel.config.mistakes import cut, is_link
from ginnel.config.state import StateDirectory, state_directory
from ginnel.errors import ConfigError
from ginnel.policy.users import UserTable

MAX_LINE = 4096
"""Bytes of a line of a key log; ours have fewer than 300."""
_WARNINGS = 5
"""So many lines that are wrong are told one by one."""


class Taker(Protocol):
    """Who takes the lines of a key log."""

    def add_line(self, line: str) -> bool:
        """Take a line; False for one that is passed over. ValueError says what is wrong."""


class Keys:
    """All keys at hand."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self.dissector = _native.dissector()
        self.users: dict[bytes, str] = {}
        """Names of users by their public keys, where the state is at hand."""
        self.shows: list[str] = []
        """What each key shows, for people."""
        self.key_log: KeyLog | None = None
        self._warn = warn

    def __bool__(self) -> bool:
        return bool(self.shows)

    def close(self) -> None:
        """Read no key log any more."""
        if self.key_log is not None:
            self.key_log.close()

    def take(self, parsed: argparse.Namespace) -> None:
        """Take the keys that the arguments name. $GINNEL_LINK stands in for --link."""
        if parsed.link is not None or (parsed.state is None and os.environ.get(VARIABLE, "").strip()):
            self._take_link([] if parsed.link is None else [parsed.link])
        os.environ.pop(VARIABLE, None)
        if parsed.state is not None:
            self._take_state(parsed.state)
        if parsed.key_log is not None:
            self.key_log = KeyLog(
                resolve(Path(parsed.key_log), None, "--key-log"), self.dissector, self._warn
            )
            self.key_log.read_on()
            if parsed.interface is None:
                self.key_log.finish()
            sets = f"{self.key_log.sets:,} set{'s' * (self.key_log.sets != 1)} of keys"
            self.shows.append(f"key log: everything in the links that it has: {sets}")

    def _take_link(self, pieces: list[str]) -> None:
        # A server that listens with two carriers stands there twice.
        keys = ((server.psk.reveal(), server.public_key) for server in resolve_link(pieces).servers)
        for psk, public_key in dict.fromkeys(keys):
            self.dissector.add_server(psk, public_key)
        self.shows.append("share link: handshakes, and headers to the server")

    def _take_state(self, given: str) -> None:
        directory = StateDirectory(state_directory(given))
        state = directory.read()
        if state is None:
            raise ConfigError(
                f"there is no state of a server in {directory.path}",
                hint="A server makes it at its first start.",
            )
        for psk in (state.psk, state.previous_psk):
            if psk is not None:
                self.dissector.add_own_server(psk.reveal(), state.private_key.reveal())
        roster = directory.roster()
        try:
            table = UserTable(state.private_key, _native).compile(roster.users())
        finally:
            roster.close()
        self.users = {key: name for name, key in table}
        self.shows.append("state: handshakes with their contents, and headers to the server")


class KeyLog:
    """A key log, which may still be growing."""

    def __init__(self, path: Path, taker: Taker, warn: Callable[[str], None]) -> None:
        self._path = path
        self._taker = taker
        self._warn = warn
        self._file = _open(path)
        self._begun = b""
        self._line = 0
        self._wrong = 0
        self.sets = 0
        """Sets of keys that were read."""

    def read_on(self) -> None:
        """Read the lines that have been added."""
        while True:
            try:
                piece = self._file.readline(MAX_LINE + 1)
            except OSError as error:
                raise ConfigError(
                    f"the key log {cut(str(self._path))!r} cannot be read: {error.strerror or error}",
                    setting="key_log",
                ) from error
            if not piece:
                return
            line = self._begun + piece
            if not line.endswith(b"\n") and len(line) <= MAX_LINE:
                # Its end has not been written yet; where the file ends in the middle of a line, never.
                self._begun = line
                continue
            self._begun = b""
            self._line += line.endswith(b"\n")
            self._take(line)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def finish(self) -> None:
        """Read what stands behind the last line end: nobody writes any more."""
        line, self._begun = self._begun, b""
        if line:
            self._line += 1
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            if len(line) > MAX_LINE:
                raise ValueError(f"it has more than {MAX_LINE} bytes")
            self.sets += self._taker.add_line(line.decode("ascii", "replace"))
        except ValueError as error:
            self._wrong += 1
            if self._wrong <= _WARNINGS:
                more = "" if self._wrong < _WARNINGS else "; further ones are not told"
                self._warn(f"the key log's line {self._line} is left out: {error}{more}")


def _open(path: Path) -> BufferedReader:
    try:
        file = path.open("rb")
    except OSError as error:
        shown = "the argument of --key-log" if is_link(str(path)) else cut(str(path))
        raise ConfigError(
            f"the key log {shown!r} cannot be opened: {error.strerror or error}",
            hint="A server or client writes one where it is told to:  ginnel server --key-log FILE",
            setting="key_log",
        ) from error
    return file
