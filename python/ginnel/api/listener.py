"""A listening inbound of a client."""

from types import TracebackType
from typing import Self

from ginnel._native import Native
from ginnel.config.address import Address
from ginnel.errors import ClosedError


class Listener:
    """Where applications connect to. Closes with the client, or by itself."""

    def __init__(self, native: Native, number: int, address: Address) -> None:
        self._native = native
        self._number = number
        self._closed = False
        self.address = address
        """Host and port, a tuple."""

    async def aclose(self) -> None:
        """Stop accepting. Streams that came through the listener live on. May be called twice."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._native.close_listener(self._number)
        except ClosedError:
            return  # the client has closed, and all its listeners with it

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<ginnel.Listener {self.address}{' closed' if self._closed else ''}>"
