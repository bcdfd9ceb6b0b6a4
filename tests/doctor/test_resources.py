"""Descriptors and buffers."""

import resource

import pytest

from ginnel.doctor import resources
from ginnel.doctor.resources import Facts

LARGE: dict[str, int | None] = {**resources.BUFFERS}


@pytest.mark.parametrize(
    ("hard", "state"),
    [(1023, "problem"), (1024, "note"), (16_383, "note"), (16_384, "ok"), (resource.RLIM_INFINITY, "ok")],
)
def test_descriptors(hard: int, state: str) -> None:
    finding, *_ = resources.check(Facts(1024, hard, {}), may_force=True)
    assert finding.state == state
    assert ("LimitNOFILE" in finding.remedy) == (state != "ok")


def test_buffers() -> None:
    small = Facts(1024, 20_000, {"rmem_max": 212_992, "wmem_max": None})
    _, receive, send = resources.check(small, may_force=False)
    assert (receive.state, receive.remedy) == ("note", "sudo sysctl -w net.core.rmem_max=16777216")
    assert receive.found.startswith("net.core.rmem_max is 208 KiB; bursts of a fast path need 16 MiB")
    assert (send.state, send.remedy) == ("note", "sysctl net.core.wmem_max")
    assert {one.state for one in resources.check(small, may_force=True)} == {"ok"}
    assert {one.state for one in resources.check(Facts(1, 20_000, LARGE), may_force=False)} == {"ok"}


def test_this_machine_is_looked_at() -> None:
    facts = resources.read()
    assert (facts.soft, facts.hard) == resource.getrlimit(resource.RLIMIT_NOFILE)
    assert facts.buffers.keys() == LARGE.keys()
