"""What a server and a client have in common on their control sockets."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from ginnel.control.messages import Handler, Question
from ginnel.errors import ControlError


def common_handlers(role: str, state: str | None, stats: Callable[[], Mapping[str, object]]) -> dict[str, Handler]:
    """Return the handlers of `ping`, `who`, `stats` and `reload`; whoever has a file replaces the last one."""
    began = time.monotonic()

    def facts() -> dict[str, Any]:
        import ginnel

        me: dict[str, Any] = {"role": role, "pid": os.getpid(), "version": ginnel.__version__}
        if state is not None:
            me["state"] = state
        return me

    async def who(_: Question) -> object:
        return facts()

    async def tell_stats(_: Question) -> object:
        return {**stats(), **facts(), "uptime_seconds": round(time.monotonic() - began, 3)}

    async def reload(_: Question) -> object:
        raise ControlError("started without a configuration file: nothing to reload")

    return {"ping": who, "who": who, "stats": tell_stats, "reload": reload}
