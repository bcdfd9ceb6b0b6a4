"""Events of the engine as values."""

import pytest

from ginnel.api.events import (
    AddressChanged,
    EngineStopped,
    Event,
    EventsDropped,
    LinkLost,
    LinkRetry,
    LinkUp,
    read_event,
)


@pytest.mark.parametrize(
    ("name", "facts", "event"),
    [
        (
            "link_up",
            {"peer": "a:1", "rtt": 0.04, "session": "quic", "carrier": "udp"},
            LinkUp(peer="a:1", rtt_seconds=0.04, session="quic", carrier="udp"),
        ),
        (
            "link_up",
            {"peer": "a:1", "rtt": 1, "session": "quic", "carrier": "udp", "user": "anna", "more": 1},
            LinkUp(peer="a:1", rtt_seconds=1.0, session="quic", carrier="udp", user="anna"),
        ),
        ("link_down", {"peer": "a:1", "reason": "no answer"}, LinkLost(peer="a:1", reason="no answer")),
        ("link_retry", {"peer": "a:1", "seconds": 2}, LinkRetry(peer="a:1", seconds=2.0)),
        (
            "address_changed",
            {"user": "anna", "old": "a:1", "new": "b:2"},
            AddressChanged("anna", "a:1", "b:2"),
        ),
        ("dropped", {"count": 3}, EventsDropped(3)),
        ("stopped", {"reason": "crash"}, EngineStopped("crash")),
        ("of_a_newer_engine", {}, None),
    ],
)
def test_events_are_read(name: str, facts: dict[str, object], event: Event | None) -> None:
    assert read_event(name, facts) == event


@pytest.mark.parametrize(("name", "facts"), [("link_up", {"peer": "a"}), ("dropped", {"count": "many"})])
def test_missing_and_odd_facts_are_errors(name: str, facts: dict[str, object]) -> None:
    with pytest.raises((KeyError, ValueError)):
        read_event(name, facts)
