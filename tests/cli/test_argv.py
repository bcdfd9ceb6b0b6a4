"""Share links vanish from the process list."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from ginnel.cli import _argv
from ginnel.cli._argv import take_arguments

SECRET = "ginnel://04074000SQJ7RKVQVH2J4JBD02EFKY0SA7CD23R26H49HSW7VPRJMTPZRHGN7B2T339BM2F84QF97FX49Y67"
PIECE = "Q8N3VT3M00040WP03H40YB0QMT4YEAZY"

# Takes its arguments, says so, and waits to be looked at.
PROGRAM = """
import sys
from ginnel.cli._argv import take_arguments
arguments = take_arguments()
print(ascii([arguments, sys.argv[1:], sys.orig_argv]), flush=True)
sys.stdin.read()
"""

linux_only = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux has /proc")


@contextmanager
def running(program: str, *arguments: str) -> Iterator[tuple[list[str], str]]:
    """Run a program up to its first line; its arguments as everybody sees them, and that line."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seen = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode(errors="surrogateescape")
        yield seen.removesuffix("\0").split("\0")[3:], line
        process.communicate()
        assert process.returncode == 0


@linux_only
@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ([SECRET], ["ginnel://(hidden)"]),
        (["client", SECRET, "-D", "1080"], ["client", "ginnel://(hidden)", "-D", "1080"]),
        (["client", "-D", "1080", SECRET.upper()], ["client", "-D", "1080", "ginnel://(hidden)"]),
        ([f"--link={SECRET}", "end"], ["--link=ginnel://(hidden)", ""]),
        ([SECRET[:40], SECRET[40:], PIECE, "-q", "w"], [*["ginnel://(hidden)"] * 3, "-q", "w"]),
        (["ginnel://x", "-q"], ["ginnel://(", "-q"]),
        (["client", "link.txt", "", "ünï"], ["client", "link.txt", "", "ünï"]),
    ],
)  # fmt: skip
def test_what_others_see_and_what_the_program_gets(given: Sequence[str], seen: Sequence[str]) -> None:
    with running(PROGRAM, *given) as (visible, line):
        assert [argument.rstrip() for argument in visible] == [
            shown if shown else "gin" if argument == "end" else ""
            for argument, shown in zip(given, seen, strict=True)
        ]
        assert [len(argument.encode()) for argument in visible] == [
            len(argument.encode()) for argument in given
        ]
        arguments, argv, orig_argv = eval(line)  # noqa: S307 - a list of lists that we printed ourselves
        assert arguments == list(given)
        for masked in (argv, orig_argv):
            assert not any(SECRET[9:25].lower() in text.lower() or PIECE in text for text in masked)


@linux_only
def test_a_program_name_with_brackets_does_not_confuse_it(tmp_path: Path) -> None:
    rename = "open('/proc/self/comm', 'w').write(') R (1 2')\n"
    with running(rename + PROGRAM, SECRET) as (visible, _):
        assert visible[0].rstrip() == "ginnel://(hidden)"


def test_where_it_cannot_be_done_the_arguments_still_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    def unable() -> None:
        raise PermissionError

    monkeypatch.setattr(_argv, "erase_from_process_list", unable)
    monkeypatch.setattr(sys, "argv", ["ginnel", "ping", SECRET])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "ginnel", "ping", SECRET])
    assert take_arguments() == ["ping", SECRET]
    assert sys.argv == ["ginnel", "ping", "ginnel://(hidden)"]
    assert sys.orig_argv[-1] == "ginnel://(hidden)"


def test_without_a_link_nothing_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_argv, "erase_from_process_list", pytest.fail)
    monkeypatch.setattr(sys, "argv", ["ginnel", "server"])
    assert take_arguments() == ["server"]


def test_it_loads_nothing_that_a_bare_interpreter_has_not() -> None:
    program = (
        "import sys; before = set(sys.modules); import ginnel.cli._argv; print(set(sys.modules) - before)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    loaded = eval(run.stdout)  # noqa: S307 - a set of names that we printed ourselves
    assert not loaded & {"re", "contextlib", "argparse", "asyncio", "pydantic"}
