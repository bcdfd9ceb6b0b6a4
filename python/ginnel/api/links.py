"""Share links of a server's users, made from its state: with the server running or without."""

from pathlib import Path

from ginnel import _native
from ginnel.config.address import Address, parse_reachable
from ginnel.config.sharelink import ServerEntry, ShareLink
from ginnel.config.state import ServerState, StateDirectory
from ginnel.errors import StateError
from ginnel.policy.users import user_key, with_user


def share_link(state: ServerState, name: str, address: Address) -> ShareLink:
    """Return the link of a user of the state, to the server at `address`."""
    user = state.user(name)
    if user is None:
        raise ValueError(f"no user {name!r} in the state")  # ours: callers add the user first
    server = ServerEntry(
        host=address.host, port=address.port, public_key=_native.public_key(state.private_key.reveal())
    )
    return ShareLink(psk=state.psk, private_key=user_key(state, user, _native), servers=(server,))


def stored_link(directory: Path, name: str, advertise: str | None = None) -> tuple[ShareLink, bool]:
    """Return the link of a user of the server in `directory`, without starting it, and whether the user is new.

    A user that does not exist is added; a running server notices within a second or so.
    Raises StateError where no server has been started yet.
    """
    store = StateDirectory(directory)
    state = store.read()
    if state is None or state.reachable is None:
        raise StateError(
            f"no server has been started with the state in {directory}",
            hint="The first start makes keys and a share link:  ginnel server",
            path=str(directory),
        )
    found, reachable = state, state.reachable
    is_new = found.user(name) is None
    if is_new:
        found = store.update(lambda now: with_user(now or found, name))
    kept = parse_reachable(reachable)
    host, port = kept if advertise is None else parse_reachable(advertise)
    return share_link(found, name, Address(host, port or kept[1] or 0)), is_new
