"""The share links of the vectors: good ones are read, damaged ones are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .primitives import Refused
from .sharelink import NO_PROFILE, parse, write

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors/sharelink.json").read_text())
SESSIONS = ("quic", "kcp")
CARRIERS = ("udp", "rawtcp")
PRESETS = (None, "light", "balanced")


def name_of(case: dict[str, Any]) -> str:
    return str(case["name"])


def ranges(server: dict[str, Any]) -> tuple[tuple[int, int], ...]:
    """Ports as people write them."""
    both = (part.split("-") for part in str(server.get("port", server.get("ports"))).split(","))
    return tuple((int(ends[0]), int(ends[-1])) for ends in both)


@pytest.mark.parametrize("case", VECTORS["good"], ids=name_of)
def test_good_links_are_read(case: dict[str, Any]) -> None:
    link = parse(case["link"])
    assert link.label == case["label"]
    assert SESSIONS[link.session] == case["session"]
    assert len(link.servers) == len(case["servers"])
    for server, expected in zip(link.servers, case["servers"], strict=True):
        assert (server.host, server.ports) == (expected["host"], ranges(expected))
        assert CARRIERS[server.carrier] == (case | expected)["carrier"]
        assert server.public_key.hex() == expected["public_key"]
        keys = case | expected
        assert (server.psk.hex(), server.private_key.hex()) == (keys["psk"], keys["private_key"])
    if (profile := case.get("profile")) is None:
        assert (link.preset, link.profile) == (NO_PROFILE, None)
    else:
        assert PRESETS[link.preset] == profile.pop("preset")
        assert link.profile == {name: tuple(bounds) for name, bounds in profile.items()}


@pytest.mark.parametrize("case", VECTORS["good"], ids=name_of)
def test_as_people_copy_them(case: dict[str, Any]) -> None:
    link = case["link"]
    assert parse(link.lower()) == parse(f"{link[:40]}\n  {link[40:]}") == parse(link)


@pytest.mark.parametrize("case", VECTORS["bad"], ids=name_of)
def test_bad_links_are_refused(case: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        parse(case["link"])


@pytest.mark.parametrize("name", [VECTORS["good"][0]["name"], "kcp, format 1"])
def test_a_link_is_written(name: str) -> None:
    (case,) = [case for case in VECTORS["good"] if case["name"] == name]
    (server,) = case["servers"]
    keys = [bytes.fromhex(key) for key in (server["public_key"], case["psk"], case["private_key"])]
    session = SESSIONS.index(case["session"])
    assert write(server["host"], server["port"], *keys, session=session) == case["link"]
