"""All checks together."""

from dataclasses import replace

import pytest

from ginnel.doctor import examination, firewall, offloads, resources, rights, timekeeping, ways
from ginnel.doctor.finding import Wanted
from ginnel.doctor.firewall import Facts as Firewall
from ginnel.doctor.firewall import Verdicts
from ginnel.doctor.resources import Facts as Resources
from ginnel.doctor.rights import Facts as Rights

pytestmark = pytest.mark.usefixtures("engines")

NOBODY = Rights("Linux", "6.18", frozenset())
ROOT = replace(NOBODY, rights=frozenset({"CAP_NET_RAW", "CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE"}))


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where all is well but that its firewall rejects."""
    monkeypatch.setattr(rights, "read", lambda: ROOT)
    monkeypatch.setattr(offloads, "read", lambda _: {"tso": True, "gro": True})
    monkeypatch.setattr(ways, "_path_mtu", lambda _: None)
    monkeypatch.setattr(timekeeping, "read", lambda: True)
    monkeypatch.setattr(resources, "read", lambda: Resources(1024, 20_000, {"rmem_max": 1, "wmem_max": 1}))
    monkeypatch.setattr(firewall, "read", lambda: Firewall(Verdicts(("ip filter INPUT",)), nft=True))


def problems(wanted: Wanted) -> list[str]:
    return [finding.area for finding in examination.examine(wanted) if finding.state == "problem"]


def test_rights_count_for_buffers_and_firewall(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Wanted(("192.0.2.1",), rawtcp=True)
    assert {finding.state for finding in examination.examine(wanted)} == {"ok"}
    monkeypatch.setattr(rights, "read", lambda: NOBODY)
    assert problems(wanted) == ["rights", "firewall"]
    assert problems(replace(wanted, rawtcp=False)) == []
    assert "note" in {finding.state for finding in examination.examine(wanted) if finding.area == "buffers"}


def test_every_family_has_its_say() -> None:
    areas = {finding.area for finding in examination.examine(Wanted())}
    assert areas == {
        "system", "rights", "route", "neighbour", "mtu", "offloads", "clock", "descriptors", "buffers", "firewall",
    }  # fmt: skip


def test_elsewhere_only_what_is_there_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rights, "read", lambda: replace(NOBODY, system="Darwin"))
    areas = {finding.area for finding in examination.examine(Wanted())}
    assert areas == {"system", "clock", "descriptors", "buffers"}
