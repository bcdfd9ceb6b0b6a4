"""A link has the session and carrier that its server's share link asks for: else all other tests prove nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from .program import FIRST_CARRIER, FIRST_SESSION, SESSIONS, Client, Server, over_carriers, over_sessions


def said_by_both(server: Server, client: Client) -> list[str]:
    """What both ends say of the link that they have."""
    return [process.wait_said("link up") for process in (server.process, client.process)]


@over_carriers
@over_sessions
def test_a_client_follows_the_share_link(carrier: str, session: str, server: Server, client: Client) -> None:
    for line in said_by_both(server, client):
        assert f"{session} over {carrier}" in line


def test_who_asks_for_none_gets_the_first(server: Server, client: Client) -> None:
    """Also after another one in the same module: fixtures are not mixed up."""
    for line in said_by_both(server, client):
        assert f"{FIRST_SESSION} over {FIRST_CARRIER}" in line


@pytest.mark.parametrize("other", SESSIONS)
def test_a_server_has_the_session_that_it_is_asked_for(other: str, server: Server, tmp_path: Path) -> None:
    """Whatever its share links ask for."""
    with Client(server.link, tmp_path, more=["--session", other]) as client:
        assert f"{other} over udp" in client.process.wait_said("link up")
