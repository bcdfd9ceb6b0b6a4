"""Lines on streams that are slow, full, closed or gone."""

import io
import json
import os
from pathlib import Path
from typing import TextIO

import pytest

from ginnel.cli._lines import Lines, json_line, key_values, one_line


@pytest.fixture
def pipe() -> tuple[TextIO, TextIO]:
    """The end to write to and the one to read from."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    return os.fdopen(writer, "w"), os.fdopen(reader)


def test_lines_arrive_in_order(pipe: tuple[TextIO, TextIO]) -> None:
    writer, reader = pipe
    with writer, reader:
        lines = Lines(writer)
        writer.write("what waited in the buffer\n")
        assert lines.write("one")
        assert lines.write("ö \udcff")
        assert reader.read() == "what waited in the buffer\none\nö \\udcff\n"


@pytest.mark.timeout(20)
def test_a_reader_who_does_not_read_holds_nobody_up(pipe: tuple[TextIO, TextIO]) -> None:
    writer, reader = pipe
    with writer, reader:
        lines = Lines(writer)
        taken = 0
        while lines.write(f"{taken:0999}"):
            taken += 1
        assert taken > 10
        for _ in range(4):
            assert not lines.write("x" * 999)
        assert lines.dropped == 5
        got = reader.read()
        assert [int(line) for line in got.splitlines()] == list(range(taken))
        assert lines.write("here again")
        assert reader.read() == "(5 lines dropped: nobody took them)\nhere again\n"
        assert lines.dropped == 0


@pytest.mark.timeout(20)
def test_a_line_that_was_cut_short_spoils_no_other(pipe: tuple[TextIO, TextIO]) -> None:
    writer, reader = pipe
    with writer, reader:
        lines = Lines(writer)
        assert not lines.write("x" * 10_000_000)
        while reader.read(1 << 20):
            pass
        assert lines.write("whole")
        assert reader.read() == "\n(1 lines dropped: nobody took them)\nwhole\n"


def test_a_reader_who_is_gone_is_no_error(pipe: tuple[TextIO, TextIO]) -> None:
    writer, reader = pipe
    reader.close()
    assert not Lines(writer).write("nobody reads this")
    writer.close()
    assert not Lines(writer).write("nor this")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_no_error() -> None:
    with open("/dev/full", "w") as full:
        assert not Lines(full).write("lost")


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
