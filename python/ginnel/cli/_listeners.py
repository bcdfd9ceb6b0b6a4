"""The SOCKS5 listeners of a running client: opened at the start, changed by difference at a reload."""

import contextlib
from collections.abc import Sequence

from ginnel.api.client import Client
from ginnel.api.listener import Listener
from ginnel.cli._output import send
from ginnel.cli._terminal import Terminal
from ginnel.config.values import Socks5Config
from ginnel.errors import GinnelError, ListenError


class OpenListeners:
    """What the client listens on now."""

    def __init__(self, client: Client, terminal: Terminal) -> None:
        self._client = client
        self._terminal = terminal
        self._open: list[tuple[Socks5Config, Listener]] = []

    @property
    def wanted(self) -> tuple[Socks5Config, ...]:
        """What was asked for and is open."""
        return tuple(config for config, _ in self._open)

    async def open(self, wanted: Sequence[Socks5Config]) -> None:
        """Open listeners, and say where they are. Raises ListenError; those before it are open."""
        for config in wanted:
            if not config.address.is_loopback and config.username is None:
                self._terminal.warn(
                    f"{config.address} lets everybody who can reach it use this tunnel; 127.0.0.1 is for you alone"
                )
            listener = await self._listen(config)
            self._open.append((config, listener))
            example = f"curl --socks5-hostname {listener.address} https://example.org"
            if self._terminal.is_watched and not self._terminal.quiet:
                self._terminal.fact("socks5", str(listener.address), example)
            else:
                await send(self._terminal, f"socks5 {listener.address}")

    async def change(self, wanted: Sequence[Socks5Config]) -> None:
        """Close and open what differs; the others, and all connections, are not touched.

        Raises ListenError when one cannot be opened; then it listens where it did before.
        """
        before = list(self._open)
        opening, kept = list(wanted), []
        for entry in before:
            if entry[0] in opening:
                opening.remove(entry[0])
                kept.append(entry)
        closing = [entry for entry in before if entry not in kept]
        # A new listener on an old one's port needs the port.
        ports = {config.address.port for config in opening} - {0}
        in_the_way = [entry for entry in closing if entry[0].address.port in ports]
        await self._close(in_the_way)
        try:
            await self.open(opening)
        except GinnelError:
            await self._close([entry for entry in self._open if entry not in before])
            with contextlib.suppress(GinnelError):
                await self.open([config for config, _ in in_the_way])
            raise
        await self._close([entry for entry in closing if entry not in in_the_way])

    async def _close(self, entries: list[tuple[Socks5Config, Listener]]) -> None:
        for entry in entries:
            self._open.remove(entry)
            await entry[1].aclose()

    async def _listen(self, config: Socks5Config) -> Listener:
        try:
            return await self._client.socks5(
                str(config.address), username=config.username, password=config.reveal_password()
            )
        except ListenError as error:
            another = min(config.address.port + 1, 65535)
            error.hint = error.hint or f"Another port:  ginnel client LINK -D {another}"
            raise
