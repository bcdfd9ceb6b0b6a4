"""Users of a server's state and their share links, from outside: with the server running or without."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from ginnel import _native
from ginnel.api.reach import advertised
from ginnel.config.address import Advertised, Endpoint, parse_advertised
from ginnel.config.places import Advertise
from ginnel.config.roster import Record, User
from ginnel.config.sharelink import ServerEntry, ShareLink
from ginnel.config.state import ServerState, StateDirectory
from ginnel.control import client as control
from ginnel.errors import ConfigError, ControlError, NotRunning, StateError
from ginnel.policy.users import user_key


@dataclass(frozen=True, slots=True)
class Told:
    """What the running server made of a change."""

    is_running: bool
    ended: int | None
    """How many links it has ended; None: it could not be asked, and notices by itself within a second."""


def share_link(state: ServerState, user: User, reachable: Iterable[Endpoint]) -> ShareLink:
    """Return the link of a user, to the server that is at `reachable`, once for each carrier."""
    public_key = _native.public_key(state.private_key.reveal())
    private_key = user_key(state.private_key, user, _native)
    servers = tuple(
        ServerEntry(
            carrier=endpoint.carrier,
            host=endpoint.host,
            ports=endpoint.ports,
            public_key=public_key,
            psk=state.psk,
            private_key=private_key,
        )
        for endpoint in reachable
    )
    return ShareLink(servers=servers, profile=state.profile, session=state.session)


class StoredUsers:
    """The users of the server in `directory`. A context manager: it holds the database open.

    Raises StateError where no server has been started yet, and for a state that cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = StateDirectory(directory)
        state = self._directory.read()
        if state is None or not state.reachable:
            raise StateError(
                f"no server has been started with the state in {directory}",
                hint="The first start makes keys and a share link:  ginnel server",
                path=str(directory),
            )
        self._state, self._reachable = state, state.reachable
        self._roster = self._directory.roster()

    def add(self, names: Sequence[str]) -> Told:
        """Add users, all or none. ConfigError for a name that is bad or taken, LimitReached."""
        self._roster.add(names)
        return self.tell("added")

    def ensure(self, name: str) -> bool:
        """Add a user if there is none of that name; whether it is new."""
        is_new = self._roster.ensure(name)[1]
        if is_new:
            self.tell("added")
        return is_new

    def remove(self, names: Sequence[str]) -> Told:
        """Remove users, all or none; their links end. ConfigError for a name that is unknown."""
        self._roster.remove(names)
        return self.tell("removed")

    def rotate(self, names: Sequence[str]) -> Told:
        """Give users new keys, all or none; their links end."""
        self._roster.rotate(names)
        return self.tell("given a new key")

    def link(self, name: str, advertise: Sequence[Advertised] = ()) -> ShareLink:
        """Return the link of a user; `advertise` names other addresses.

        ConfigError for a name that is unknown, and for a carrier that the server did not listen with.
        """
        user = self._roster.find(name)
        kept = [self._kept(text, advertise) for text in self._reachable]
        check_carriers(advertise, kept)
        told = advertised(advertise, kept)
        return share_link(self._state, user, (here or there for here, there in zip(told, kept, strict=True)))

    def check(self, advertise: Sequence[Advertised]) -> None:
        """Refuse what `link` would refuse to advertise, before anything is changed."""
        check_carriers(advertise, [parse_advertised(text) for text in self._reachable])

    def _kept(self, text: str, advertise: Sequence[Advertised]) -> Endpoint:
        """Where the last start was reached."""
        place = parse_advertised(text)
        ports = place.ports or self._state.ports or next((one.ports for one in advertise if one.ports), None)
        if ports is None:
            raise StateError(
                f"the state in {self._directory.path} does not say on which port its server is reached",
                hint="Start the server once more, or name the port:  --advertise HOST:PORT",
                path=str(self._directory.path),
            )
        return Endpoint(place.host, ports, place.carrier or "udp")

    def records(self) -> tuple[list[Record], dict[str, int] | None]:
        """Return all users with what they used, and how many links each has now; None: no running server says so."""
        links = None
        # It writes its counts down before it answers. One that does not answer is no reason to show nothing.
        with contextlib.suppress(ControlError, StateError):
            answer = control.ask(self._directory.control_socket, "users")
            if isinstance(answer, dict):
                links = {str(name): int(count) for name, count in answer.items()}
        return self._roster.records(), links

    def tell(self, done: str) -> Told:
        """Tell the running server that its users have changed; `done` is the word for how.

        ControlError when it runs, and neither knows the change now nor will by itself.
        """
        try:
            answer = control.ask(self._directory.control_socket, "users_changed")
        except NotRunning:
            # Without a socket it may run all the same.
            process = self._directory.holder()
            if process is None:
                return Told(False, 0)
            if not self._directory.reads_roster(process):
                reason = (
                    "it has no control socket, and its users.sqlite3 is not the one that stands there now"
                )
                raise _untold(done, reason) from None
            return Told(True, None)
        except (ControlError, StateError) as error:
            raise _untold(done, str(error)) from error
        if not isinstance(answer, int):
            raise _untold(done, "its answer is not understood")
        return Told(True, answer)

    def close(self) -> None:
        """Close the database. May be called twice."""
        self._roster.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _untold(done: str, reason: str) -> ControlError:
    return ControlError(
        f"{done} in the file, but the running server still serves its users as before: {reason}",
        hint="Start it again: it then reads the file.",
    )


def stored_link(
    directory: Path, name: str, advertise: str | Sequence[str] | None = None
) -> tuple[ShareLink, bool]:
    """Return the link of a user of the server in `directory`, without starting it, and whether the user is new.

    A user that does not exist is added; a running server knows it at once. `advertise` is `[CARRIER://]HOST[:PORTS]`,
    or several of them.
    """
    places = parse_advertise(advertise)
    with StoredUsers(directory) as users:
        users.check(places)  # a mistake in it must not leave a user behind
        is_new = users.ensure(name)
        return users.link(name, places), is_new


def parse_advertise(given: str | Sequence[str] | None, setting: str = "advertise") -> tuple[Advertised, ...]:
    """Read what is to be advertised: nothing, a place, or one for each carrier."""
    if not given:
        return ()
    places = [given] if isinstance(given, str) else list(given)
    return Advertise().read(places[0] if len(places) == 1 else places, setting)


def check_carriers(advertise: Sequence[Advertised], known: Iterable[Endpoint | Advertised]) -> None:
    """Refuse to advertise a carrier that the server does not have."""
    carriers = [place.carrier or "udp" for place in known]
    for place in advertise:
        if place.carrier is not None and place.carrier not in carriers:
            raise ConfigError(
                f"advertise names {place}, and the server did not listen with {place.carrier} at its last start",
                hint=f"It listened with {' and '.join(carriers)}.",
                setting="advertise",
            )
