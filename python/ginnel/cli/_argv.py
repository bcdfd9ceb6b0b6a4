"""Erase share links from the process list.

Every user of a machine can read every process's arguments, and a share link is a secret. On Linux the arguments
that others see are the process's own memory, between two addresses that /proc/self/stat names; writing there
changes what `ps` shows. Elsewhere nothing is done: there, take a file, `-` or $GINNEL_LINK.

Imports nothing that a bare interpreter has not loaded: the less time passes before it runs, the better.
"""

import os
import sys

_SCHEME = b"ginnel://"
_SHOWN = b"ginnel://(hidden)"
_ARG_START, _ARG_END = 48, 49  # fields of /proc/PID/stat, counted from 1 as in proc_pid_stat(5)
_MAX_BYTES = 8 * 1024 * 1024  # of arguments; the kernel allows 6 MiB for them and the environment together


def take_arguments() -> list[str]:
    """Return the program's arguments, and hide the share links among them from everybody else.

    Also in `sys.argv` and `sys.orig_argv`, from which crash reporters copy. Where hiding is not possible the
    arguments are returned all the same.
    """
    arguments = sys.argv[1:]
    if any(_SCHEME.decode() in argument.lower() for argument in arguments):
        try:  # noqa: SIM105 - contextlib would be one more import before this
            erase_from_process_list()
        except (OSError, ValueError, IndexError):
            pass  # no /proc here, or not ours to write: nothing that we can do better
        sys.argv[1:] = _masked(arguments)
        sys.orig_argv[:] = _masked(sys.orig_argv)
    return arguments


def erase_from_process_list() -> None:
    """Overwrite the share links among this process's arguments. Raises OSError where that is not possible."""
    with open("/proc/self/stat", "rb") as file:
        # The second field is the program's name in brackets, which may itself hold blanks and brackets.
        fields = file.read().rpartition(b")")[2].split()
    start, end = (int(fields[number - 3]) for number in (_ARG_START, _ARG_END))
    if not 0 < end - start <= _MAX_BYTES:
        return
    memory = os.open("/proc/self/mem", os.O_RDWR | os.O_CLOEXEC)
    try:
        arguments = os.pread(memory, end - start, start).split(b"\0")
        for argument, secret_from in zip(arguments, _secret_parts(arguments), strict=True):
            if secret_from is not None:
                # The same number of bytes, so that the arguments behind it stay where they are.
                room = len(argument) - secret_from
                os.pwrite(memory, _SHOWN[:room].ljust(room), start + secret_from)
            start += len(argument) + 1
    finally:
        os.close(memory)


def _secret_parts(arguments: list[bytes]) -> list[int | None]:
    """For each argument, from which byte on it is secret: from the scheme of a link on.

    What follows a link up to the next option is secret as well: pieces of a link that a line break tore apart.
    """
    parts: list[int | None] = []
    behind_link = False
    for argument in arguments:
        at = argument.lower().find(_SCHEME)
        behind_link = at >= 0 or (behind_link and not argument.startswith(b"-"))
        parts.append(max(at, 0) if behind_link and argument else None)
    return parts


def _masked(arguments: list[str]) -> list[str]:
    parts = _secret_parts([os.fsencode(argument) for argument in arguments])
    return [
        argument if at is None else argument[:at] + _SHOWN.decode()
        for argument, at in zip(arguments, parts, strict=True)
    ]
