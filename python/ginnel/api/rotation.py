"""The change of a deployment's secret: a new one beside the one so far, and later without it."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ginnel.config.secret import Secret
from ginnel.config.state import ServerState, StateDirectory
from ginnel.control import client as control
from ginnel.errors import ConfigError, ControlError, StateError


@dataclass(frozen=True, slots=True)
class Rotation:
    """How it stands with the secret of a deployment."""

    has_previous: bool
    """Whether the secret before this one is accepted too."""
    process: int | None
    """The server that runs with the state; None: none runs."""
    told: bool = False
    """Whether that server has taken a change; else it does at its next start."""


def secret_status(directory: Path) -> Rotation:
    """Return how it stands. Raises StateError where no server has been started yet."""
    states = StateDirectory(directory)
    state = _started(states.read(), directory)
    return Rotation(state.previous_psk is not None, states.holder())


def rotate_secret(directory: Path, *, force: bool = False) -> Rotation:
    """Make a new secret; the one so far is accepted too, until it is retired. A running server takes it at once.

    Raises ConfigError while the one before is still accepted, unless `force`: links that were made with that one then
    work no longer. StateError where no server has been started yet.
    """

    def change(now: ServerState | None) -> ServerState:
        state = _started(now, directory)
        if state.previous_psk is not None and not force:
            raise ConfigError(
                "the secret before this one is still accepted, and only one can be beside a new one",
                hint="When everybody has a new share link:  ginnel secret retire\n"
                "Or give up the links that were made before the last change:  ginnel secret rotate --force",
                setting="secret",
            )
        return state.replaced(psk=Secret.generate(), previous_psk=state.psk)

    return _changed(directory, change)


def retire_secret(directory: Path) -> Rotation:
    """Accept the current secret alone. A running server ends the links that were made with the other.

    ConfigError where there is no other, StateError where no server has started.
    """

    def change(now: ServerState | None) -> ServerState:
        state = _started(now, directory)
        if state.previous_psk is None:
            raise ConfigError(
                "there is no previous secret to retire",
                hint="A new one, beside which the one so far is accepted:  ginnel secret rotate",
                setting="secret",
            )
        return state.replaced(previous_psk=None)

    return _changed(directory, change)


def _changed(directory: Path, change: Callable[[ServerState | None], ServerState]) -> Rotation:
    states = StateDirectory(directory)
    _started(states.read(), directory)  # before `update` makes a directory that nobody asked for
    state = states.update(change)
    told = False
    # Whoever cannot be told reads the file at the next start.
    with contextlib.suppress(ControlError, StateError):
        told = control.ask(states.control_socket, "secret_changed") is True
    return Rotation(state.previous_psk is not None, states.holder(), told)


def _started(state: ServerState | None, directory: Path) -> ServerState:
    if state is None:
        raise StateError(
            f"no server has been started with the state in {directory}",
            hint="The first start makes keys and a share link:  ginnel server",
            path=str(directory),
        )
    return state
