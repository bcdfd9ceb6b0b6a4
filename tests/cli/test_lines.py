"""Lines on streams that are slow, full, closed or gone."""

import contextlib
import io
import json
import os
from pathlib import Path
from typing import TextIO

import pytest

from ginnel.cli._lines import Lines, json_line, key_values, one_line

LONG_SECONDS = 10
"""Bound of a wait; only what hangs reaches it."""
_LINE = "x" * 999
_MOST = 262  # such lines, of 1,000 bytes, that wait


@pytest.fixture
def pipe() -> tuple[TextIO, TextIO]:
    """The end to write to and the one to read from."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    return os.fdopen(writer, "w"), os.fdopen(reader)


def fill(writer: TextIO) -> None:
    """Write until the pipe takes no more."""
    os.set_blocking(writer.fileno(), False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writer.fileno(), b"." * 4096):
            pass
    os.set_blocking(writer.fileno(), True)


def read_all(lines: Lines, reader: TextIO) -> str:
    """Read until all is written."""
    got, is_done = b"", False
    while not is_done:
        is_done = lines.flush(0.01)
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(reader.fileno(), 1 << 20):
                got += piece
    return got.decode()


def test_lines_arrive_in_order(pipe: tuple[TextIO, TextIO]) -> None:
    writer, reader = pipe
    with writer, reader:
        lines = Lines(writer)
        assert lines.write("one")
        assert lines.write("ö \udcff")
        assert lines.flush(LONG_SECONDS)
        assert reader.read() == "one\nö \\udcff\n"


@pytest.mark.timeout(20)
def test_a_reader_who_does_not_read_holds_nobody_up(pipe: tuple[TextIO, TextIO]) -> None:
    writer, reader = pipe
    with writer, reader:
        fill(writer)
        lines = Lines(writer)
        assert [lines.write(_LINE) for _ in range(_MOST + 5)] == [True] * _MOST + [False] * 5
        assert lines.dropped == 5
        assert not lines.flush(0.01)
        assert read_all(lines, reader).lstrip(".") == f"{_LINE}\n" * _MOST
        assert lines.write("here again")
        assert read_all(lines, reader) == "(5 lines dropped: nobody took them)\nhere again\n"
        assert lines.dropped == 0


@pytest.mark.timeout(20)
def test_a_terminal_that_takes_a_part_of_a_line_holds_nobody_up() -> None:
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as screen:
        lines = Lines(screen)
        while lines.write(_LINE):
            pass
        assert lines.dropped == 1
        assert not lines.flush(0.01)
        while not lines.flush(0.01):
            os.read(master, 4096)
    os.close(master)


@pytest.mark.timeout(20)
def test_a_stream_that_does_not_wait_gets_whole_lines(pipe: tuple[TextIO, TextIO]) -> None:
    writer, reader = pipe
    with writer, reader:
        fill(writer)
        os.set_blocking(writer.fileno(), False)
        lines = Lines(writer)
        assert lines.write(_LINE)
        assert read_all(lines, reader).lstrip(".") == f"{_LINE}\n"
        assert lines.dropped == 0


def test_a_line_that_is_too_long_is_dropped(pipe: tuple[TextIO, TextIO]) -> None:
    writer, reader = pipe
    with writer, reader:
        lines = Lines(writer)
        assert not lines.write("x" * 10_000_000)
        assert lines.write("whole")
        assert read_all(lines, reader) == "(1 lines dropped: nobody took them)\nwhole\n"


def test_a_reader_who_is_gone_is_no_error(pipe: tuple[TextIO, TextIO]) -> None:
    writer, reader = pipe
    reader.close()
    lines = Lines(writer)
    lines.write("nobody reads this")
    assert lines.flush(LONG_SECONDS)
    assert lines.dropped == 1
    writer.close()
    assert not Lines(writer).write("nor this")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_no_error() -> None:
    with open("/dev/full", "w") as full:
        lines = Lines(full)
        for dropped in (1, 2):
            lines.write("lost")
            assert lines.flush(LONG_SECONDS)
            assert lines.dropped == dropped


def test_a_stream_that_is_an_object() -> None:
    stream = io.StringIO()
    assert Lines(stream).write("line")
    assert stream.getvalue() == "line\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain, with ümlauts and 日本", "plain, with ümlauts and 日本"),
        ("two\nlines\r\n", "two\\nlines\\r\\n"),
        ("\x1b[31mred\x07\x00", "\\x1b[31mred\\x07\\x00"),
        ("\x85\u2028\u202e", "\\x85\\u2028\\u202e"),
    ],
)
def test_one_event_is_one_line(text: str, line: str) -> None:
    assert one_line(text) == line
    assert len(one_line(text).splitlines()) == 1


def test_facts_in_text() -> None:
    facts = {"link": "3-1", "stream": 4, "took": 0.00012345678, "why": "it is\nso", "none": "", "eq": "a=b"}
    assert key_values(facts) == r'link=3-1 stream=4 took=0.000123457 why="it is\nso" none="" eq="a=b"'


def test_facts_in_json() -> None:
    line = json_line(1_700_000_000.0625, "info", "link", "link\nup", {"link": "3-1", "stream": 4, "odd": {1}})
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.062Z",
        "level": "info",
        "area": "link",
        "message": "link\nup",
        "facts": {"link": "3-1", "stream": 4, "odd": "{1}"},
    }
