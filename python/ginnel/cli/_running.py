"""Which running server or client a command means."""

import argparse
import contextlib
import os
from pathlib import Path

from ginnel.cli._arguments import Parser
from ginnel.cli._terminal import short_path
from ginnel.config.mistakes import cut
from ginnel.config.state import StateDirectory, default_state_directory, state_directory
from ginnel.control.client import Running, Silent, clients, who
from ginnel.errors import ConfigError, ControlError, NotRunning

_SILENT = "does not answer: stopped or busy?"


def add_which(parser: Parser) -> None:
    """Add --state and --pid."""
    parser.add_argument("--state", metavar="DIR", help="the server with this state directory")
    parser.add_argument("--pid", metavar="N", help="the server or client with this process id")


def find_running(parsed: argparse.Namespace) -> Running:
    """Find the one process that is meant. NotRunning when there is none, ConfigError when several could be."""
    if parsed.state is not None and parsed.pid is not None:
        raise ConfigError("--state and --pid are two ways to say which process: give one")
    if parsed.state is not None:
        return _answering(_server(state_directory(parsed.state)))
    if parsed.pid is not None:
        return _of_process(_process(parsed.pid))
    found = clients()
    with contextlib.suppress(NotRunning):
        found.insert(0, _server(default_state_directory()))
    if not found:
        raise NotRunning(
            "no ginnel of this user is running here",
            hint="Start one:  ginnel server, or ginnel client LINK\n"
            f"A server whose state is elsewhere:  ginnel {parsed.command} --state DIR",
        )
    if len(found) > 1:
        silent = sum(isinstance(one, Silent) for one in found)
        note = f" ({silent} of them {_SILENT})" if silent else ""
        raise ConfigError(
            f"{len(found)} processes of ginnel run here{note}: say which",
            hint="\n".join(_choice(parsed.command, running) for running in found),
        )
    return _answering(found[0])


def _answering(one: Running | Silent) -> Running:
    """Return who answers. Raises ControlError for one that does not."""
    if isinstance(one, Running):
        return one
    if not one.has_socket:
        raise ControlError(
            f"the server with the state in {short_path(Path(one.where))} (process {one.process})"
            " has no control socket",
            hint="When it can, it makes one within some seconds; if none comes, start it again.",
        )
    raise ControlError(
        f"process {one.process}, a {one.role}, {_SILENT}",
        hint=f"Its state:  ps -o pid,stat,args -p {one.process}",
    )


def _server(directory: Path) -> Running | Silent:
    """The server with that state, also one that does not answer. Raises NotRunning."""
    try:
        return who(StateDirectory(directory).control_socket)
    except NotRunning:
        process = StateDirectory(directory).holder()
        if process is not None:
            return Silent("server", process, str(directory), has_socket=False)
        raise NotRunning(
            f"no server runs with the state in {short_path(directory)}",
            hint=f"Start it:  ginnel server --state '{directory}'",
        ) from None
    except ControlError:
        process = StateDirectory(directory).holder()
        if process is None:
            raise
        return Silent("server", process, str(directory))


def _of_process(process: int) -> Running:
    for running in clients():
        if running.process == process:
            return _answering(running)
    for directory in (default_state_directory(), *_held_states(process)):
        try:
            running = _server(directory)
        except ControlError:
            continue
        if running.process == process:
            return _answering(running)
    raise NotRunning(
        f"process {process} is no ginnel of this user, or has no control socket",
        hint="Clients of a program of yours have one when made with Client(control=True).",
    )


def _held_states(process: int) -> list[Path]:
    """Return the state directories that the process may have locked, which its open files tell."""
    found = []
    try:
        for descriptor in Path(f"/proc/{process}/fd").iterdir():
            file = Path(os.readlink(descriptor))
            if file.name == "lock":
                found.append(file.parent)
    except OSError:
        return []  # gone, or not ours to look at
    return found


def _process(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0:
        return int(text)
    raise ConfigError(
        f"--pid = {cut(text)!r} is no process id", hint="A number, as in `ps`.", setting="--pid"
    )


def _choice(command: str, running: Running | Silent) -> str:
    if running.role == "server":
        return f"server, process {running.process}:  ginnel {command} --state '{running.where}'"
    return f"{running.role}, process {running.process}:  ginnel {command} --pid {running.process}"
