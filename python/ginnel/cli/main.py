"""The program `ginnel`: finds the command, runs it, tells its errors, ends with the right exit code.

Exit codes: 0 done, 1 the world's fault (no answer, refused), 2 the user's (arguments, files), 130 Ctrl-C.
"""

import sys

from ginnel.cli import _start
from ginnel.cli._argv import take_arguments

COMMANDS = {
    "server": "serve: make keys, print the share link, connect clients to their targets",
    "client": "connect to a server by its share link, and listen for SOCKS5",
    "run": "run a server or a client as a configuration file says",
    "check": "say what is wrong with a configuration file, and where",
    "example": "print a configuration file with every setting, or its JSON schema",
    "link": "print the share link of a user; a new name makes a new user",
    "join": "make one share link of several servers' links, which are tried in turn",
    "user": "add, list and remove users; print their share links",
    "secret": "change the deployment's secret: a new one, and later without the one before",
    "stats": "show the figures of a running server or client",
    "reload": "let a running server or client read its configuration file again",
    "dump": "show what a capture holds, as far as the keys at hand show it",
    "ping": "ask whether a server is reachable, and how far away it is",
    "interfaces": "show this machine's interfaces, and which of them leads to the server",
    "doctor": "look at everything here that ginnel depends on, and say what mends it",
    "keygen": "print fresh keys and a fresh profile",
    "version": "print versions",
}
"""Every command and what it does. Its module, of the same name, is imported only when it is the one to run."""

_USAGE = """\
ginnel: a SOCKS5 tunnel through obfuscated QUIC or KCP over UDP

  on the server     ginnel server                  prints a share link
  on the client     ginnel client 'ginnel://…'     listens on 127.0.0.1:1080
  is it there?      ginnel ping 'ginnel://…'

commands:
{commands}

`ginnel COMMAND --help` explains each, with examples. `--debug` shows a traceback with an error.
"""
_DONE, _WORLD, _USER, _INTERRUPTED = 0, 1, 2, 130


def main(arguments: list[str] | None = None) -> int:
    """Run the program with `arguments` (None: those of the process) and return its exit code."""
    # First of all, before anything heavy is imported: until then a signal ends Python in Python's own way, and a
    # share link among the arguments is visible.
    if arguments is None:
        _start.leave_on_signals(sys.argv[1:])
    _start.open_missing_streams()
    given = take_arguments() if arguments is None else arguments
    try:
        code = _flushed(_told(given))
    finally:
        _flush_lines()
    if arguments is None:
        _start.ignore_signals()
    return code


def _told(arguments: list[str]) -> int:
    """Run a command and tell what it fails with; the exit code."""
    debug = "--debug" in arguments
    if _start.wants_json(arguments):
        from ginnel.cli._terminal import Terminal

        Terminal.is_json = True
    try:
        return _run(arguments)
    except SystemExit as end:  # argparse, after it has printed help
        return end.code if isinstance(end.code, int) else _DONE
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return _WORLD
    except BaseException as error:
        # Also a panic of the engine, which is no Exception.
        if debug:
            raise
        return _tell(error)


def _run(arguments: list[str]) -> int:
    words = [word for word in arguments if word != "--debug"]
    if not words or words[0] in ("-h", "--help", "help"):
        commands = "\n".join(f"  {name:<10} {what}" for name, what in COMMANDS.items())
        from ginnel.cli._terminal import Terminal

        Terminal().out(_USAGE.format(commands=commands).rstrip("\n"))
        return _DONE
    name = "version" if words[0] in ("-V", "--version") else words[0]
    if name not in COMMANDS:
        raise _unknown(name)
    from importlib import import_module

    from ginnel.cli._arguments import Parser

    command = import_module(f"ginnel.cli.{name}")
    parser = Parser(name, command.SUMMARY, command.EXAMPLES)
    command.configure(parser)
    result: int = command.run(parser.parse(words[1:]))
    return result


def _unknown(word: str) -> Exception:
    import difflib

    from ginnel.config.mistakes import cut
    from ginnel.errors import ConfigError

    if "ginnel://" in word.lower():
        return ConfigError("a share link is not a command", hint="ginnel client 'ginnel://…'")
    near = difflib.get_close_matches(word, COMMANDS, n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return ConfigError(f"unknown command {cut(word)!r}.{guess}", hint=f"Commands: {', '.join(COMMANDS)}.")


def _tell(error: BaseException) -> int:
    """Write the error for a person; the exit code says whose fault it is."""
    from ginnel.cli._terminal import Terminal
    from ginnel.errors import CaptureError, ConfigError, GinnelError, StateError, StateInUse

    if not isinstance(error, GinnelError):
        # The message of an error that nobody foresaw may hold anything, so only its kind is shown.
        what = type(error).__name__
        if isinstance(error, OSError):
            what = error.strerror or what
        elif isinstance(error, ImportError):
            what = str(error)
        error = GinnelError(
            f"something unforeseen: {what}",
            hint="The same command with --debug shows where; please report it.",
        )
    Terminal().error(error)
    is_users = isinstance(error, CaptureError | ConfigError | StateError) and not isinstance(
        error, StateInUse
    )
    return _USER if is_users else _WORLD


def _flushed(code: int) -> int:
    """Write what is still in standard output's buffer; the exit code, which says if that fails."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
        return code or _WORLD
    except OSError as error:
        _forget_stdout()
        if code == _DONE:
            from ginnel.cli._terminal import unwritten

            return _tell(unwritten(error))
    return code


def _flush_lines() -> None:
    """Give standard error a moment to take what it was told."""
    from ginnel.cli._terminal import FLUSH_SECONDS, Terminal

    Terminal().lines.flush(FLUSH_SECONDS)


def _forget_stdout() -> None:
    """Whoever read our output is gone; without this, Python would complain while it flushes at exit."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
