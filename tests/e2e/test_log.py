"""The log of the real program, every line JSON, with link and stream ids; and the statistics of both ends."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import ginnel

from .program import Client, Server, beside_loop
from .socks import connected
from .streams import Received, close, payload, read_to_end, send
from .targets import read_then_answer, serve

UP, DOWN = payload(100_000, 1), payload(300_000, 2)
DEBUG = ("--log-format", "json", "--log-level", "debug")
INFO = ("--log-format", "json")


async def run(tmp_path: Path, more: Sequence[str]) -> tuple[Server, Client, str]:
    """One stream through a server and a client that log so; both have ended, and the target's address."""
    async with serve(read_then_answer(DOWN)) as target:
        async with (
            beside_loop(lambda: Server(tmp_path / "state", more=more)) as server,
            beside_loop(lambda: Client(server.link, tmp_path, more=more)) as client,
            connected(client.socks, target.address) as (reader, writer),
        ):
            await send(writer, UP)
            writer.write_eof()
            assert await read_to_end(reader) == Received.whole(DOWN)
            await close(writer)
        return server, client, f"{target.host}:{target.port}"


def records(text: str) -> list[dict[str, Any]]:
    """Each line as what it is: an object with the keys that are promised."""
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        assert list(line) == ["time", "level", "area", "message", "facts"], line
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    return lines


def facts_of(lines: list[dict[str, Any]], message: str) -> dict[str, Any]:
    """The facts of the one line with a message."""
    (facts,) = (line["facts"] for line in lines if line["message"] == message)
    assert isinstance(facts, dict)
    return facts


async def test_every_line_is_an_object_with_its_link_and_stream(tmp_path: Path) -> None:
    server, client, address = await run(tmp_path, DEBUG)
    for end, sent, received in ((server, DOWN, UP), (client, UP, DOWN)):
        lines = records(end.process.stderr)
        link = facts_of(lines, "link up")["link"]
        assert re.fullmatch(r"\d+-\d+", link)
        opened, ended = facts_of(lines, "stream opened"), facts_of(lines, "stream ended")
        assert opened == {"link": link, "stream": 0, "to": address}
        assert (ended["link"], ended["stream"], ended["how"]) == (link, 0, "clean")
        assert len(sent) <= ended["sent"] < len(sent) + 100
        assert len(received) <= ended["received"] < len(received) + 100
        assert 0 <= ended["connected"] < 10
        assert 0 <= ended["first_byte"] < 10
        assert facts_of(lines, "engine started")["role"] in ("server", "client")
        assert facts_of(lines, "stopping") == {}


async def test_at_the_usual_level_no_target_and_no_secret_is_named(tmp_path: Path) -> None:
    server, client, address = await run(tmp_path, INFO)
    for end in (server, client):
        said = end.process.stderr
        assert "link up" in [line["message"] for line in records(said)]
        assert address not in said
        assert server.link.removeprefix("ginnel://") not in said
        assert not any(line["area"] == "stream" for line in records(said))


@pytest.mark.parametrize("end", ["server", "client"])
async def test_statistics_of_an_end(tmp_path: Path, end: str) -> None:
    async with (
        serve(read_then_answer(DOWN)) as target,
        ginnel.Server(listen="127.0.0.1:0", state=tmp_path, allow_private=True) as server,
        ginnel.Client(server.share_link("laptop")) as client,
    ):
        reader, writer = await client.open_connection(target.host, target.port)
        await send(writer, UP)
        writer.write_eof()
        assert await read_to_end(reader) == Received.whole(DOWN)
        await close(writer)
        stats = server.stats() if end == "server" else client.stats()
    if end == "server":
        assert list(stats["open_time"]) == ["requested", "connected", "first_byte"]
        usage = stats["users"].pop("laptop")
        assert (usage["links"], usage["streams_opened"]) == (1, 1)
        assert len(DOWN) < usage["bytes_sent"] < len(DOWN) + 100
        assert len(UP) < usage["bytes_received"] < len(UP) + 100
    else:
        assert list(stats["open_time"]) == ["queued", "opened", "connected", "first_byte"]
    assert stats["users"] == {}
    for stage in stats["open_time"].values():
        (bucket,) = stage["buckets"]
        assert stage["count"] == bucket[1] == 1
        assert stage["sum_seconds"] <= bucket[0] <= max(2e-6, 1.26 * stage["sum_seconds"])
