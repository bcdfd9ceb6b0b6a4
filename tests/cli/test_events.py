"""Events as lines."""

import re

import pytest

from ginnel.api.events import (
    AddressChanged,
    EngineStopped,
    Event,
    EventsDropped,
    LinkLost,
    LinkRetry,
    LinkUp,
)
from ginnel.cli._events import describe, event_lines
from ginnel.cli._log import install
from ginnel.cli._terminal import Terminal


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (LinkUp("a:1", 0.041, "quic", "udp"), "link up    a:1 · 41 ms · quic over udp"),
        (LinkUp("a:1", 0.041, "quic", "udp", "anna"), "link up    anna from a:1 · 41 ms · quic over udp"),
        (LinkLost("a:1", "no answer for 15 s"), "link lost  a:1: no answer for 15 s"),
        (LinkLost("a:1", "closed", "anna"), "link lost  anna at a:1: closed"),
        (LinkRetry("a:1", 2.0), "retry      trying a:1 again in 2 s"),
        (AddressChanged("anna", "a:1", "b:2"), "address    anna: a:1 is now b:2; nothing was lost"),
        (AddressChanged(None, "a:1", "b:2"), "address    a:1 is now b:2; nothing was lost"),
        (EventsDropped(7), "dropped    7 events, which came too fast to show"),
    ],
)
def test_each_event_is_a_line_with_a_time(
    event: Event, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    install({}, "text", terminal)
    event_lines(terminal, pytest.fail)(event)
    assert re.fullmatch(rf"  \d\d:\d\d:\d\d  {re.escape(line)}\n", capsys.readouterr().err)


def test_the_engines_end_is_no_line_but_an_end(capsys: pytest.CaptureFixture[str]) -> None:
    reasons: list[str] = []
    event_lines(Terminal(), reasons.append)(EngineStopped("crash"))
    assert reasons == ["crash"]
    assert capsys.readouterr().err == ""
    assert describe(EngineStopped("crash")) == ("stopped", "crash")


def test_a_clock_that_is_off_is_a_warning_below_its_link(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    install({}, "text", terminal)
    handle = event_lines(terminal, pytest.fail)
    handle(LinkUp("a:1", 0.041, "quic", "udp", clock_off_seconds=-200.0))
    up, warning = capsys.readouterr().err.splitlines()
    assert up.endswith("link up    a:1 · 41 ms · quic over udp")
    assert warning == (
        "warning: this machine's clock is 3 min 20 s behind the server's; beyond 2 minutes a new start of the client"
        " is not answered:  timedatectl set-ntp true"
    )
