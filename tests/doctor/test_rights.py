"""Rights of a process."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ginnel.doctor import rights
from ginnel.doctor.finding import Finding, Wanted
from ginnel.doctor.rights import Facts
from ginnel.errors import rights_error

ALL = frozenset({"CAP_NET_RAW", "CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE"})
FACTS = Facts("Linux", "6.18.44", ALL, 1024, "/usr/bin/python3.11")
SETCAP = "sudo setcap cap_net_raw,cap_net_bind_service+ep /usr/bin/python3.11"
AMBIENT = "AmbientCapabilities=CAP_NET_RAW CAP_NET_BIND_SERVICE"


def judged(facts: Facts, wanted: Wanted) -> dict[str, Finding]:
    """By the right, or by the area."""
    found = rights.check(facts, wanted)
    return {next((right for right in ALL if right in one.found), one.area): one for one in found}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Name:\tpython\nCapEff:\t0000000000003400\n", ALL),
        ("CapPrm:\t0000000000003400\nCapEff:\t0000000000002000\n", {"CAP_NET_RAW"}),
        ("CapEff:\t0000000000000000\n", set()),
        ("CapEff:\tnonsense\n", None),
        ("", None),
    ],
)
def test_the_effective_rights_are_read(text: str, expected: set[str] | None) -> None:
    assert rights.parse_status(text) == expected


def test_with_all_rights_all_is_well() -> None:
    assert {one.state for one in judged(FACTS, Wanted(rawtcp=True)).values()} == {"ok"}


def test_without_rights_raw_tcp_has_a_problem_and_both_ways_to_mend_it() -> None:
    found = judged(replace(FACTS, rights=frozenset()), Wanted(rawtcp=True, role="client"))
    assert found["CAP_NET_RAW"].state == "problem"
    assert found["CAP_NET_RAW"].remedy == f"{SETCAP}\nor in a systemd service:  {AMBIENT}"
    assert found["CAP_NET_BIND_SERVICE"].state == "note"


@pytest.mark.parametrize("given", [ALL, ALL - {"CAP_NET_ADMIN"}])
def test_the_right_that_reaches_far_is_asked_of_nobody(given: frozenset[str]) -> None:
    found = judged(replace(FACTS, rights=given), Wanted(rawtcp=True, role="server", ports="443"))
    assert {one.state for one in found.values()} == {"ok"}
    assert found["CAP_NET_ADMIN"].found.startswith("CAP" if given == ALL else "no CAP")
    for finding in rights.check(replace(FACTS, rights=frozenset()), Wanted(rawtcp=True)):
        assert "admin" not in finding.remedy.lower()


def test_the_rights_are_those_that_the_error_names() -> None:
    granted = rights.grant(FACTS).splitlines()[0].removesuffix(FACTS.program)
    assert rights_error().hint.startswith(granted)


def test_without_rights_udp_has_no_problem() -> None:
    states = {one.state for one in judged(replace(FACTS, rights=frozenset()), Wanted()).values()}
    assert states == {"ok", "note"}


@pytest.mark.parametrize(
    ("ports", "first_free", "state"),
    [
        ("443", 1024, "problem"),
        ("8443,20000-20099", 1024, "note"),
        ("8443,443-450", 1024, "problem"),
        ("443", 0, "note"),
        ("", 1024, "note"),
        ("0", 1024, "note"),
    ],
)
def test_low_ports_of_a_server_need_a_right(ports: str, first_free: int, state: str) -> None:
    facts = replace(FACTS, rights=frozenset({"CAP_NET_RAW"}), first_free_port=first_free)
    assert judged(facts, Wanted(role="server", ports=ports))["CAP_NET_BIND_SERVICE"].state == state
    assert judged(facts, Wanted(role="client", ports=ports))["CAP_NET_BIND_SERVICE"].state == "note"


def test_a_program_with_odd_letters_is_quoted() -> None:
    assert "+ep '/opt/my python/bin/python3'" in rights.grant(
        replace(FACTS, program="/opt/my python/bin/python3")
    )


def test_other_systems_and_what_cannot_be_seen() -> None:
    found = judged(replace(FACTS, system="Darwin"), Wanted(rawtcp=True))
    assert found == {"system": Finding("system", "problem", "Darwin: raw TCP needs Linux")}
    assert judged(replace(FACTS, rights=None), Wanted(rawtcp=True))["rights"].state == "note"


def test_this_process_is_looked_at() -> None:
    facts = rights.read()
    assert facts.program == str(Path(sys.executable).resolve())
    assert facts.rights is not None
