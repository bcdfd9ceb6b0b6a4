"""A running server or client with the place of its settings, which it can read again."""

import asyncio
import logging

from ginnel.api.client import Client
from ginnel.api.server import Server
from ginnel.cli._listeners import OpenListeners
from ginnel.cli._log import all_levels, set_levels
from ginnel.cli._terminal import Terminal
from ginnel.config.difference import ReloadReport, difference, report_of
from ginnel.config.load import Source
from ginnel.config.values import ClientConfig, ServerConfig
from ginnel.control.messages import Question
from ginnel.errors import ConfigError, GinnelError

_log = logging.getLogger("ginnel.config")


class Daemon:
    """What a signal and the control socket command."""

    def __init__(
        self,
        service: Server | Client,
        source: Source,
        terminal: Terminal,
        listeners: OpenListeners | None = None,
    ) -> None:
        self.service = service
        self._source = source
        self._terminal = terminal
        self._listeners = listeners
        self._ready = asyncio.Event()
        self._lock = asyncio.Lock()
        self._asked = False
        self._hangup: asyncio.Task[None] | None = None
        if source.file is not None:
            service.handlers["reload"] = self._answer

    def ready(self) -> None:
        """The service has started: from now on it can be changed."""
        self._ready.set()

    async def reload(self) -> ReloadReport:
        """Read the settings again, and make what changed hold.

        Raises ConfigError for settings that cannot be used, ListenError for a listener that cannot be opened; the old
        settings then hold as before.
        """
        report = await self._reload()
        set_levels(all_levels(self.service.config.log))
        return report

    async def _reload(self) -> ReloadReport:
        async with self._lock:
            # What it reads are files of a disk, which may be slow; links must not wait for it.
            loaded = await asyncio.to_thread(self._source.load)
            for warning in loaded.warnings:
                self._warn(warning)
            if len(loaded.mistakes) > 1:
                error = loaded.mistakes[0].to_error()
                more = f"And {len(loaded.mistakes) - 1} more:  ginnel check {self._source.file}"
                error.hint = f"{error.hint}\n{more}".lstrip()
                raise error
            config = loaded.usable()
            match self.service, config:
                case Server(), ServerConfig():
                    return await self.service.reload(config)
                case Client(), ClientConfig():
                    return await self._reload_client(self.service, config)
                case _:
                    return report_of(difference(self.service.config, config))

    async def _reload_client(self, client: Client, config: ClientConfig) -> ReloadReport:
        if self._listeners is None:
            return await client.reload(config)
        before = self._listeners.wanted
        # First what the machine may refuse.
        await self._listeners.change(config.socks5)
        try:
            return await client.reload(config)
        except BaseException:
            await self._listeners.change(before)
            raise

    async def _answer(self, _: Question) -> object:
        """Reload for whoever asks on the control socket."""
        await self._ready.wait()
        return (await self.reload()).to_json()

    def hangup(self) -> None:
        """SIGHUP arrived: reload once it has started, and say what came of it. Many at once are one or two reloads."""
        self._asked = True
        if self._hangup is None:
            self._hangup = asyncio.create_task(self._reload_while_asked())

    async def _reload_while_asked(self) -> None:
        await self._ready.wait()
        while self._asked:
            self._asked = False
            await self._reload_and_tell()
        self._hangup = None

    async def _reload_and_tell(self) -> None:
        try:
            report = await self.reload()
        except GinnelError as error:
            what = "settings are not used" if isinstance(error, ConfigError) else "settings cannot hold"
            hint = " ".join(error.hint.split())
            self._warn(f"the new {what}, the old ones stay: {error}{f'. {hint}' if hint else ''}")
        except Exception as error:
            # The message of an error that nobody foresaw may hold anything, so only its kind is shown.
            self._warn(f"the new settings cannot hold: something unforeseen: {type(error).__name__}")
        else:
            for line in report.lines:
                if _log.isEnabledFor(logging.INFO):
                    self._terminal.event("reload", line, area="config")

    def _warn(self, line: str) -> None:
        if _log.isEnabledFor(logging.WARNING) or self._terminal.quiet:
            self._terminal.warn(line, area="config")
