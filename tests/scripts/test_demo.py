"""The whole demonstration, with a stand-in for ginnel; and its table."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import demo
from scripts.demo_fetch import Fetched

FAKE = Path(__file__).with_name("fake_ginnel.py")
COMMAND = [sys.executable, "-m", "scripts.demo", "--large", "2", "--ginnel"]


@pytest.fixture
def ginnel(tmp_path: Path) -> str:
    """The stand-in as a program of its own."""
    path = tmp_path / "ginnel"
    path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(FAKE))} "$@"\n')
    path.chmod(0o700)
    return str(path)


def run(ginnel: str, fault: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"FAKE_FAULT": fault}
    return subprocess.run([*COMMAND, ginnel], env=environment, capture_output=True, text=True, timeout=60)


def test_it_shows_a_table_and_ends_with_0(ginnel: str) -> None:
    done = run(ginnel)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    table = lines[2:7]
    assert table[0].split() == ["file", "bytes", "seconds", "Mbit/s", "first", "byte"]
    assert [line[:16].strip() for line in table[1:]] == ["1 KiB", "1 MiB", "2 MiB", "2 MiB, no tunnel"]
    assert "every hash is right" in lines
    assert "link up    127.0.0.1:38411 · 1 ms · quic over udp   (ginnel://…" in done.stdout
    assert lines[lines.index("ping") + 1] == "  reachable  127.0.0.1:38411 · 1 ms"
    assert "secret" not in done.stdout


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("server", "error: server is broken, with ginnel://…"),
        ("client", "error: client is broken, with ginnel://…"),
        ("ping", "ginnel ping ended with 1:\nerror: ping is broken, with ginnel://…"),
        ("damage", "1KiB arrived damaged"),
        ("end", "ginnel server did not end cleanly on SIGTERM; it ended with 3"),
        ("leave", "ginnel client"),
    ],
)
def test_a_fault_is_shown_and_ends_with_1(ginnel: str, fault: str, words: str) -> None:
    done = run(ginnel, fault)
    assert done.returncode == 1
    assert words in done.stderr
    assert "secret" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_program_is_told(tmp_path: Path) -> None:
    done = run(str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert "nowhere" in done.stderr


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_stays_until_it_is_told_to_end(ginnel: str, ending: signal.Signals) -> None:
    with subprocess.Popen(
        [*COMMAND, ginnel, "--stay"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        last = next(line for line in process.stdout if "https://example.org" in line)
        assert last.startswith("  curl --socks5-hostname 127.0.0.1:")
        process.send_signal(ending)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""


def test_a_small_file_has_no_rate_and_columns_stand_under_each_other() -> None:
    rows = [
        demo.Row("1KiB", Fetched(1024, "", 0.0021, 0.0025)),
        demo.Row("256MiB", Fetched(256 << 20, "", 0.0034, 2.0)),
    ]
    assert demo.format_table(rows) == [
        "file          bytes  seconds  Mbit/s  first byte",
        "1KiB          1,024    0.003       –      2.1 ms",
        "256MiB  268,435,456    2.000   1,074      3.4 ms",
    ]


@pytest.mark.parametrize(
    ("text", "address"), [("127.0.0.1:1080", ("127.0.0.1", 1080)), ("[::1]:9", ("::1", 9))]
)
def test_an_address_is_read(text: str, address: tuple[str, int]) -> None:
    assert demo.parse_address(text) == address


@pytest.mark.parametrize("text", ["", "1080", "127.0.0.1:", "127.0.0.1:http"])
def test_a_line_without_an_address_is_told(text: str) -> None:
    with pytest.raises(demo.DemoError, match="not ADDRESS:PORT"):
        demo.parse_address(text)
