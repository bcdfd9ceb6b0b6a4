"""Which running server or client a command means."""

import argparse
import os
from pathlib import Path

from ginnel.cli._arguments import Parser
from ginnel.cli._terminal import short_path
from ginnel.config.mistakes import cut
from ginnel.config.state import StateDirectory, default_state_directory, state_directory
from ginnel.control.client import Running, clients, who
from ginnel.errors import ConfigError, ControlError, NotRunning


def add_which(parser: Parser) -> None:
    """Add --state and --pid."""
    parser.add_argument("--state", metavar="DIR", help="the server with this state directory")
    parser.add_argument("--pid", metavar="N", help="the server or client with this process id")


def find_running(parsed: argparse.Namespace) -> Running:
    """Find the one process that is meant. NotRunning when there is none, ConfigError when several could be."""
    if parsed.state is not None and parsed.pid is not None:
        raise ConfigError("--state and --pid are two ways to say which process: give one")
    if parsed.state is not None:
        return _server(state_directory(parsed.state))
    if parsed.pid is not None:
        return _of_process(_process(parsed.pid))
    found = clients()
    try:
        found.insert(0, _server(default_state_directory()))
    except NotRunning:
        pass
    except ControlError:
        if not found:
            raise
    if not found:
        raise NotRunning(
            "no ginnel of this user is running here",
            hint="Start one:  ginnel server, or ginnel client LINK\n"
            f"A server whose state is elsewhere:  ginnel {parsed.command} --state DIR",
        )
    if len(found) > 1:
        raise ConfigError(
            f"{len(found)} processes of ginnel run here: say which",
            hint="\n".join(_choice(parsed.command, running) for running in found),
        )
    return found[0]


def _server(directory: Path) -> Running:
    try:
        return who(StateDirectory(directory).control_socket)
    except NotRunning:
        process = StateDirectory(directory).holder()
        if process is not None:
            raise ControlError(
                f"the server with the state in {short_path(directory)} (process {process}) has no control socket",
                hint="Its log says why.",
            ) from None
        raise NotRunning(
            f"no server runs with the state in {short_path(directory)}",
            hint=f"Start it:  ginnel server --state '{directory}'",
        ) from None


def _of_process(process: int) -> Running:
    for running in clients():
        if running.process == process:
            return running
    for directory in (default_state_directory(), *_held_states(process)):
        try:
            running = _server(directory)
        except ControlError:
            continue
        if running.process == process:
            return running
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


def _choice(command: str, running: Running) -> str:
    if running.role == "server":
        return f"server, process {running.process}:  ginnel {command} --state '{running.where}'"
    return f"{running.role}, process {running.process}:  ginnel {command} --pid {running.process}"
