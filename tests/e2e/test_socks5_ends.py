"""How a stream ends: every byte arrives and then end-of-file; what was reset arrives as a reset, never as an end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from .program import Client, over_carriers, over_sessions
from .socks import Connection, connected
from .streams import Received, close, payload, read_to_end, reset, send
from .targets import (
    Script,
    Target,
    acknowledge_then_read,
    answer_and_close,
    both_ways,
    half_close_then_read,
    read_then_answer,
    reset_midway,
    reset_when_acknowledged,
    serve,
    sink,
    source,
)

pytestmark = [over_carriers, over_sessions]

UP, DOWN = 1, 2
"""Seeds: what goes up is never what comes down, so that an echo cannot pass for an answer."""

REQUEST = b"GET / HTTP/1.0\r\n\r\n"

Play = Callable[[Connection, Target, int], Awaitable[None]]
"""What the application does and demands, over an open stream."""


async def client_ends_first(stream: Connection, target: Target, size: int) -> None:
    """The application writes and closes altogether; the target gets every byte and then end-of-file."""
    await send(stream[1], payload(size, UP))
    await close(stream[1])
    assert await target.outcome() == Received.whole(payload(size, UP))


async def target_ends_first(stream: Connection, target: Target, size: int) -> None:
    """The target writes and closes altogether; the application gets every byte and then end-of-file."""
    assert await read_to_end(stream[0]) == Received.whole(payload(size, DOWN))
    await close(stream[1])
    await target.outcome()


async def both_end(stream: Connection, target: Target, size: int) -> None:
    """Both write at once and end when they are done."""
    reader, writer = stream
    receiving = asyncio.create_task(read_to_end(reader))
    await send(writer, payload(size, UP))
    writer.write_eof()
    assert await receiving == Received.whole(payload(size, DOWN))
    assert await target.outcome() == Received.whole(payload(size, UP))


async def target_answers_and_closes_at_once(stream: Connection, target: Target, size: int) -> None:
    """Answer and close in the same breath, while the application's direction is still open."""
    stream[1].write(REQUEST)
    assert await read_to_end(stream[0]) == Received.whole(payload(size, DOWN))


async def target_answers_and_closes_before_a_read(stream: Connection, target: Target, size: int) -> None:
    """The same while the application does not read yet: the answer waits for it in buffers, behind backpressure."""
    stream[1].write(REQUEST)
    try:
        async with asyncio.timeout(0.3):
            await target.outcome()
    except TimeoutError:
        assert size > 64 * 1024, "a short answer must fit in the buffers on the way"
    assert await read_to_end(stream[0]) == Received.whole(payload(size, DOWN))


async def client_half_closes_then_reads(stream: Connection, target: Target, size: int) -> None:
    """The target answers only once it has seen the application's end-of-file."""
    await send(stream[1], payload(size, UP))
    stream[1].write_eof()
    assert await read_to_end(stream[0]) == Received.whole(payload(size, DOWN))
    assert await target.outcome() == Received.whole(payload(size, UP))


async def target_half_closes_then_reads(stream: Connection, target: Target, size: int) -> None:
    """The application answers only once it has seen the target's end-of-file."""
    assert await read_to_end(stream[0]) == Received.whole(payload(size, DOWN))
    await send(stream[1], payload(size, UP))
    await close(stream[1])
    assert await target.outcome() == Received.whole(payload(size, UP))


async def client_resets(stream: Connection, target: Target, size: int) -> None:
    """After its bytes have arrived the application resets."""
    await send(stream[1], payload(size, UP))
    assert await stream[0].readexactly(1) == b"k"
    reset(stream[1])
    received = await target.outcome()
    assert received is not None
    assert received == Received(size, Received.whole(payload(size, UP)).digest, "reset")


async def client_resets_midway(stream: Connection, target: Target, size: int) -> None:
    """The application resets while its bytes are under way; what is cut must not look complete."""
    stream[1].write(payload(size, UP))
    reset(stream[1])
    received = await target.outcome()
    assert received is not None
    assert received.end == "reset"
    assert received.size <= size


async def target_resets(stream: Connection, target: Target, size: int) -> None:
    """After its bytes have arrived the target resets."""
    assert await stream[0].readexactly(size) == payload(size, DOWN)
    stream[1].write(b"k")
    assert await read_to_end(stream[0]) == Received(0, Received.whole(b"").digest, "reset")
    await target.outcome()


async def target_resets_midway(stream: Connection, target: Target, size: int) -> None:
    """The target resets while its bytes are under way; what is cut must not look complete."""
    stream[1].write(REQUEST)
    received = await read_to_end(stream[0])
    assert received.end == "reset"
    assert received.size <= size


ENDS: dict[str, tuple[Play, Callable[[int], Script]]] = {
    "client_ends_first": (client_ends_first, lambda size: sink()),
    "target_ends_first": (target_ends_first, lambda size: source(payload(size, DOWN))),
    "both_end": (both_end, lambda size: both_ways(payload(size, DOWN))),
    "target_answers_and_closes_at_once": (
        target_answers_and_closes_at_once,
        lambda size: answer_and_close(REQUEST, payload(size, DOWN)),
    ),
    "target_answers_and_closes_before_a_read": (
        target_answers_and_closes_before_a_read,
        lambda size: answer_and_close(REQUEST, payload(size, DOWN)),
    ),
    "client_half_closes_then_reads": (
        client_half_closes_then_reads,
        lambda size: read_then_answer(payload(size, DOWN)),
    ),
    "target_half_closes_then_reads": (
        target_half_closes_then_reads,
        lambda size: half_close_then_read(payload(size, DOWN)),
    ),
    "client_resets": (client_resets, acknowledge_then_read),
    "client_resets_midway": (client_resets_midway, lambda size: sink()),
    "target_resets": (target_resets, lambda size: reset_when_acknowledged(payload(size, DOWN))),
    "target_resets_midway": (target_resets_midway, lambda size: reset_midway(REQUEST, payload(size, DOWN))),
}


@pytest.mark.parametrize("size", [1, 64 * 1024, 20_000_000], ids=["1B", "64KiB", "20MB"])
@pytest.mark.parametrize("end", ENDS)
async def test_end(client: Client, end: str, size: int) -> None:
    """Every way to end, with every size."""
    play, script = ENDS[end]
    async with serve(script(size)) as target, connected(client.socks, target.address) as stream:
        await play(stream, target, size)


async def test_an_end_waits_for_nobody(client: Client) -> None:
    """A stream whose application never reads holds up no other stream's end."""
    async with (
        serve(source(payload(20_000_000, DOWN))) as blocked,
        serve(read_then_answer(payload(1000, DOWN))) as target,
        connected(client.socks, blocked.address),
        connected(client.socks, target.address) as stream,
    ):
        await client_half_closes_then_reads(stream, target, 1000)
