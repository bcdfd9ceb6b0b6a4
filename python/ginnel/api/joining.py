"""One share link made of several, whose servers are tried in turn, each with its own keys."""

from collections.abc import Sequence

from ginnel.config.sharelink import MAX_SERVERS, ServerEntry, ShareLink
from ginnel.errors import ConfigError


def join_links(links: Sequence[ShareLink], label: str | None = None) -> tuple[ShareLink, tuple[str, ...]]:
    """Join links: their servers in their order, and what is worth a word.

    Profile and label are the first that are there, the session is that of the first link.
    A server may stand in it with several addresses, which is one way to name its IPv4 and its IPv6 address, and with
    several carriers. Raises ConfigError for the same server at the same host with the same carrier twice, and for more
    servers than a link can have.
    """
    if len(links) < 2:
        raise ConfigError(
            "one share link alone: there is nothing to join", hint="Such as:  ginnel join home.txt office.txt"
        )
    servers: list[ServerEntry] = []
    notes: list[str] = []
    where: dict[bytes, tuple[int, ServerEntry]] = {}
    for number, link in enumerate(links, start=1):
        for server in link.servers:
            if server.public_key in where:
                notes += _again(number, server, *where[server.public_key], servers)
            where.setdefault(server.public_key, (number, server))
            servers.append(server)
    if len(servers) > MAX_SERVERS:
        raise ConfigError(
            f"these links name {len(servers)} servers, and a share link has at most {MAX_SERVERS}",
            hint="Leave some out.",
        )
    if label is None:
        label = next((link.label for link in links if link.label), "")
    profile = next((link.profile for link in links if link.profile is not None), None)
    if len({link.profile for link in links} - {None}) > 1:
        notes.append("the profile is that of the first link: a client has one, for all of its servers")
    session = links[0].session
    if len({link.session for link in links}) > 1:
        notes.append(f"the session is that of the first link, {session}: a share link has one")
    joined = ShareLink.build(servers=tuple(servers), profile=profile, session=session, label=label)
    return joined, tuple(notes)


def _again(
    number: int, server: ServerEntry, first: int, known: ServerEntry, servers: Sequence[ServerEntry]
) -> list[str]:
    """What to say of a server that is there already. Raises ConfigError when it is no other way to it."""
    place = server.public_key, server.host, server.carrier
    if any((one.public_key, one.host, one.carrier) == place for one in servers):
        links = f"links {first} and {number} lead" if first != number else f"link {number} leads twice"
        raise ConfigError(
            f"{links} to the same server, {server.host}",
            hint="Leave one of them out; of two links of one user, the newer one works.",
        )
    if first == number and server.host == known.host:
        return []  # another carrier of a server that listens with both: nothing that joining has done
    return [f"{server.endpoint} is another way to the server at {known.endpoint}"]
