"""One share link of several."""

from typing import Any

import pytest

from ginnel.api.client import Client
from ginnel.api.joining import join_links
from ginnel.config.ports import Ports
from ginnel.config.profile import Profile
from ginnel.config.secret import Secret
from ginnel.config.sharelink import ServerEntry, ShareLink
from ginnel.errors import ConfigError
from tests.fake_engine import Engine


def link(
    number: int, host: str = "", profile: Profile | None = None, label: str = "", **changes: Any
) -> ShareLink:
    """The link to a server of its own."""
    fields: dict[str, Any] = {
        "host": host or f"192.0.2.{number}",
        "ports": Ports.run(1000 * number, 2),
        "public_key": bytes([number] * 32),
        "psk": Secret(bytes([100 + number] * 32)),
        "private_key": Secret(bytes([200 + number] * 32)),
    }
    return ShareLink(servers=(ServerEntry(**{**fields, **changes}),), profile=profile, label=label)


async def test_the_engine_gets_each_server_with_its_own_keys_in_their_order(engines: list[Engine]) -> None:
    joined, notes = join_links([link(2), link(1), link(3)])
    assert notes == ()
    async with Client(joined.to_text()):
        pass
    assert engines[0].config.servers == [
        (
            "udp",
            f"192.0.2.{n}",
            [(1000 * n, 1000 * n + 1)],
            bytes([n] * 32),
            bytes([100 + n] * 32),
            bytes([200 + n] * 32),
        )
        for n in (2, 1, 3)
    ]


def test_the_first_label_and_profile_that_are_there() -> None:
    first, second = Profile.fresh("light"), Profile.fresh("balanced")
    joined, notes = join_links(
        [link(1), link(2, profile=first, label="home"), link(3, profile=second, label="x")]
    )
    # What is raw TCP's alone is not said where there is none.
    assert (joined.profile, joined.label) == (first.model_copy(update={"printable": None}), "home")
    assert notes == ("the profile is that of the first link: a client has one, for all of its servers",)
    assert join_links([link(1), link(2, label="home")], "away")[0].label == "away"
    assert join_links([link(1, profile=first), link(2, profile=first)])[1] == ()


def test_links_of_several_servers_are_joined_too() -> None:
    pair = join_links([link(1), link(2)])[0]
    assert join_links([pair, link(3)])[0].servers == (*pair.servers, *link(3).servers)


def test_one_server_may_have_two_addresses() -> None:
    joined, notes = join_links([link(1), link(1, host="2001:db8::1")])
    assert [one.host for one in joined.servers] == ["192.0.2.1", "2001:db8::1"]
    assert notes == ("[2001:db8::1]:1000-1001 is another way to the server at 192.0.2.1:1000-1001",)


@pytest.mark.parametrize(
    ("links", "error"),
    [
        ([link(1)], "one share link alone: there is nothing to join"),
        ([link(1), link(2), link(1)], "links 1 and 3 lead to the same server, 192.0.2.1"),
        ([link(1), link(1, ports=Ports.one(9))], "links 1 and 2 lead to the same server, 192.0.2.1"),
        ([link(n) for n in range(1, 10)], "these links name 9 servers, and a share link has at most 8"),
    ],
)
def test_what_cannot_be_joined(links: list[ShareLink], error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        join_links(links)
    assert str(caught.value) == error
    assert caught.value.hint


def test_a_bad_label_is_refused() -> None:
    with pytest.raises(ConfigError, match="label"):
        join_links([link(1), link(2)], "x" * 65)


def test_the_session_is_that_of_the_first_link() -> None:
    quic, kcp = link(1), link(2).model_copy(update={"session": "kcp"})
    note = "a share link has one"
    assert join_links([kcp, link(3).model_copy(update={"session": "kcp"})])[0].session == "kcp"
    joined, notes = join_links([kcp, quic])
    assert (joined.session, notes) == ("kcp", (f"the session is that of the first link, kcp: {note}",))
    joined, notes = join_links([quic, kcp])
    assert (joined.session, notes) == ("quic", (f"the session is that of the first link, quic: {note}",))
