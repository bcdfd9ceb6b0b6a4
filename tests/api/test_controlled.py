"""What servers and clients answer alike."""

import os

import pytest

import ginnel
from ginnel.api.controlled import common_handlers
from ginnel.errors import ClosedError, ControlError


async def test_what_both_answer() -> None:
    handlers = common_handlers("client", None, lambda: {"gauges": {"links": 1}})
    me = {"role": "client", "pid": os.getpid(), "version": ginnel.__version__}
    assert await handlers["who"]({}) == await handlers["ping"]({}) == me
    stats = await handlers["stats"]({})
    assert isinstance(stats, dict)
    assert stats.pop("uptime_seconds") >= 0
    assert stats == {"gauges": {"links": 1}, **me}
    with pytest.raises(ControlError, match="nothing to reload"):
        await handlers["reload"]({})
    assert await common_handlers("server", "/x", dict)["who"]({}) == {**me, "role": "server", "state": "/x"}


async def test_what_fails_is_left_to_the_socket() -> None:
    def closed() -> dict[str, object]:
        raise ClosedError("it was closed")

    with pytest.raises(ClosedError):
        await common_handlers("client", None, closed)["stats"]({})
