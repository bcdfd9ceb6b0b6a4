"""`ginnel doctor`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ginnel.cli import doctor
from ginnel.doctor.finding import Finding, Wanted
from tests.cli.conftest import Command

pytestmark = pytest.mark.usefixtures("engines")

FINE = Finding("system", "ok", "Linux 6.18")
NOTE = Finding("offloads", "note", "off on eth0", "sudo ethtool -K eth0 tso on")
BAD = Finding("rights", "problem", "no CAP_NET_RAW", "sudo setcap …\nor in a systemd service:  …")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Wanted]:
    """What was asked of an examination that finds `found`."""
    asked: list[Wanted] = []

    def examine(wanted: Wanted) -> Iterator[Finding]:
        asked.append(wanted)
        yield FINE
        yield NOTE
        if wanted.rawtcp:
            yield BAD
            yield Finding("rights", "note", "no CAP_NET_ADMIN", BAD.remedy)

    monkeypatch.setattr(doctor, "examine", examine)
    return asked


def test_each_line_says_what_was_found_and_what_mends_it(run: Command, asked: list[Wanted]) -> None:
    result = run("doctor", "--carrier", "rawtcp")
    assert (result.code, result.err) == (1, "")
    assert result.out.splitlines() == [
        "ok       system       Linux 6.18",
        "note     offloads     off on eth0",
        "                      sudo ethtool -K eth0 tso on",
        "problem  rights       no CAP_NET_RAW",
        "                      sudo setcap …",
        "                      or in a systemd service:  …",
        "note     rights       no CAP_NET_ADMIN",
        "",
        "1 problem",
    ]


def test_notes_are_no_problem(run: Command, asked: list[Wanted]) -> None:
    result = run("doctor")
    assert (result.code, result.out.splitlines()[-1]) == (0, "no problem")
    assert asked == [Wanted()]


def test_json(run: Command, asked: list[Wanted]) -> None:
    result = run("doctor", "--carrier", "rawtcp", "--json")
    assert result.code == 1
    facts = json.loads(result.out)
    assert facts["good"] is False
    assert [one["state"] for one in facts["findings"]] == ["ok", "note", "problem", "note"]
    assert facts["findings"][3]["remedy"] == BAD.remedy
    assert json.loads(run("doctor", "--json").out)["good"] is True


def test_what_is_looked_at_follows_from_the_link(run: Command, asked: list[Wanted], link: str) -> None:
    run("doctor", link, "--carrier", "udp")
    run("doctor", link, "--interface", "wg0")
    wanted = Wanted(("192.0.2.1",), ports="5", role="client")
    assert asked == [wanted, replace(wanted, interface="wg0")]


def test_mistakes(run: Command, asked: list[Wanted]) -> None:
    result = run("doctor", "--carrier", "icmp")
    assert (result.code, asked) == (2, [])
    assert result.err.startswith("error: --carrier = 'icmp' is not one of its words")
    assert run("doctor", "missing.toml").code == 2


@pytest.mark.skipif(sys.platform != "linux", reason="looks at Linux")
@pytest.mark.parametrize("rights", ["all", "none"])
def test_the_real_machine_with_rights_and_without(rights: str, tmp_path: Path) -> None:
    """The program as it is: whatever this machine has, it ends, and says what it could not see."""
    if rights == "all" and os.geteuid() != 0:
        pytest.skip("needs root")
    command = [sys.executable, "-m", "ginnel", "doctor", "127.0.0.1", "--carrier", "rawtcp", "--json"]
    if rights == "none" and os.geteuid() == 0:
        # Still root to the file system, so that it can read the program, and without any capability.
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
    root = Path(__file__).parent.parent.parent / "python"
    ran = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(root)},
    )
    assert ran.stderr == ""
    found = [Finding(**one) for one in json.loads(ran.stdout)["findings"]]
    by_right = {one.found.partition(":")[0]: one.state for one in found if one.area == "rights"}
    if rights == "all":
        assert by_right["CAP_NET_RAW"] == "ok"
        assert any(one.area == "firewall" and one.state == "ok" for one in found)
    else:
        assert by_right["no CAP_NET_RAW"] == "problem"
        assert ran.returncode == 1
        firewall = next(one for one in found if one.area == "firewall")
        assert firewall.state in ("note", "problem")
    assert any(one.area == "route" and one.found.startswith("to 127.0.0.1: lo") for one in found)
