"""The program as a whole: commands, errors, exit codes, start-up."""

import subprocess
import sys
from importlib import import_module

import pytest

from ginnel.cli import keygen, version
from ginnel.cli.main import COMMANDS
from ginnel.errors import GinnelError, NoAnswer, StateError, StateInUse
from tests.cli.conftest import Command


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_help_lists_every_command(run: Command, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.code == 0
    for name, what in COMMANDS.items():
        assert f"{name:<10} {what}" in result.out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_has_three_examples(run: Command, name: str) -> None:
    result = run(name, "--help")
    assert result.code == 0
    assert len(import_module(f"ginnel.cli.{name}").EXAMPLES) == 3
    examples = result.out.split("examples:\n")[1].splitlines()
    assert len(examples) == 3
    assert all("ginnel" in line for line in examples)
    assert max(map(len, result.out.splitlines())) <= 120


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (["sever"], "unknown command 'sever'. Did you mean 'server'?", "Commands: server, client"),
        (["xyzzy"], "unknown command 'xyzzy'.", "Commands: server, client"),
        (["ginnel://0123"], "a share link is not a command", "ginnel client 'ginnel://…'"),
        (
            ["server", "--listne", "1"],
            "unknown option '--listne'. Did you mean '--listen'?",
            "ginnel server --help",
        ),
        (["server", "extra"], "1 more argument than this command takes", "ginnel server --help"),
        (["server", "--listen"], "argument --listen: expected one argument", "ginnel server --help"),
        (["server", "--drain", "soon"], "--drain = 'soon' is not a time", "500ms"),
        (["server", "--listen", "x:y"], "--listen = 'x:y' has no valid port", "0 to 65535"),
    ],
)
def test_mistakes_are_told_with_what_would_be_right(
    run: Command, arguments: list[str], error: str, hint: str
) -> None:
    result = run(*arguments)
    assert (result.code, result.out) == (2, "")
    first, *rest = result.err.splitlines()
    assert first == f"error: {error}"
    assert hint in "\n".join(rest)
    assert all(line.startswith("  ") for line in rest)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NoAnswer("no answer"), 1),
        (StateInUse("in use"), 1),
        (StateError("damaged"), 2),
        (GinnelError("whatever"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_codes_say_whose_fault_it_is(
    run: Command, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr(version, "run", fail)
    assert run("version").code == code


class PanicException(BaseException):
    """As the engine's panics come: not an Exception."""


@pytest.mark.parametrize("error", [RuntimeError("ginnel://SECRET"), PanicException("ginnel://SECRET")])
def test_what_nobody_foresaw_shows_no_traceback_and_no_text_of_its_own(
    run: Command, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr(keygen, "run", fail)
    result = run("keygen")
    assert result.code == 1
    assert result.err.startswith(f"error: something unforeseen: {type(error).__name__}\n")
    assert "--debug" in result.err
    assert "SECRET" not in result.err
    assert "Traceback" not in result.err
    for arguments in (["keygen", "--debug"], ["--debug", "keygen"]):
        with pytest.raises(type(error)):
            run(*arguments)


def test_a_reader_that_went_away_is_no_drama() -> None:
    # The shell is what closes the pipe.
    line = f"'{sys.executable}' -m ginnel --help | true"
    process = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    assert "Traceback" not in process.stderr
    assert "Exception" not in process.stderr


@pytest.mark.parametrize(
    ("arguments", "heavy"), [(["--help"], {"argparse", "pydantic"}), (["keygen", "--help"], {"segno"})]
)
def test_a_command_loads_only_what_it_needs(arguments: list[str], heavy: set[str]) -> None:
    program = (
        "import sys; from ginnel.cli.main import main; main(sys.argv[1:]);"
        "print('loaded', *sys.modules, file=sys.stderr)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, check=True, text=True
    )
    assert not set(run.stderr.partition("loaded")[2].split()) & heavy
