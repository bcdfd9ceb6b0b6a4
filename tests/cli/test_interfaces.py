"""`ginnel interfaces`."""

import json
from pathlib import Path

import pytest

from ginnel import _native
from tests.cli.conftest import Command

pytestmark = pytest.mark.usefixtures("engines")


def test_the_table_and_what_leads_to_the_internet(run: Command) -> None:
    result = run("interfaces")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "   name  kind      state    mtu  hardware           raw TCP   addresses",
        "   lo    loopback  up     65536  00:00:00:00:00:00  yes       127.0.0.1, ::1",
        "*  eth0  ethernet  up      1500  02:00:00:00:00:02  yes       192.0.2.2",
        "   wg0   tunnel    up      1420  -                  if named  10.0.0.2",
        "   eth1  ethernet  down    1500  02:00:00:00:00:04  no        -",
        "",
        "the Internet, IPv4: eth0, from 192.0.2.2, by 192.0.2.254 (02:00:00:00:00:fe), "
        "for so this machine's routes say",
        'Another one for raw TCP:  --interface NAME, or interface = "NAME" in the table [rawtcp] of the configuration',
    ]


@pytest.mark.parametrize(
    ("host", "line"),
    [
        ("192.0.2.1", "192.0.2.1: eth0, from 192.0.2.2, by 192.0.2.254"),
        (
            "198.51.100.7",
            "198.51.100.7: wg0, from 10.0.0.2, directly, for so this machine's routes say; not for raw TCP: ",
        ),
        ("127.0.0.1", "127.0.0.1: lo, for it is this machine itself"),
        ("203.0.113.9", "203.0.113.9: no route leads there"),
    ],
)
def test_the_way_to_a_host(run: Command, host: str, line: str) -> None:
    result = run("interfaces", host)
    assert result.code == 0
    assert any(one.startswith(line) for one in result.out.splitlines())


def test_the_way_to_the_server_of_a_link(run: Command, link: str) -> None:
    assert "192.0.2.1: eth0" in run("interfaces", link).out


@pytest.mark.parametrize("by", ["flag", "file"])
def test_what_a_person_has_named_is_for_raw_tcp_in_the_table_and_in_the_line(
    run: Command, tmp_path: Path, link: str, by: str
) -> None:
    arguments = ["198.51.100.7", "--interface", "wg0"]
    if by == "file":
        file = tmp_path / "client.toml"
        file.write_text(f'role = "client"\nlink = "{link}"\n[rawtcp]\ninterface = "wg0"\n')
        file.chmod(0o600)
        arguments = [str(file)]
    lines = run("interfaces", *arguments).out.splitlines()
    [row] = [line for line in lines if " wg0 " in line]
    assert row.split()[-2:] == ["yes", "10.0.0.2"]
    [way] = [line for line in lines if ": wg0, from " in line]
    assert way.endswith("directly, for it was named")
    named = json.loads(run("interfaces", *arguments, "--json").out)["interfaces"][2]
    assert (named["name"], named["obstacle"]) == ("wg0", "")


def test_the_help_says_all_that_may_be_given(run: Command) -> None:
    for command in ("interfaces", "doctor"):
        told = run(command, "--help").out
        assert "LINK|HOST|FILE" in told
        assert "--interface IF" in told


def test_json(run: Command) -> None:
    result = run("interfaces", "198.51.100.7", "--json")
    facts = json.loads(result.out)
    assert [one["name"] for one in facts["interfaces"]] == ["lo", "eth0", "wg0", "eth1"]
    assert facts["interfaces"][1]["obstacle"] == ""
    assert facts["interfaces"][3]["obstacle"] == "it is down, or its other end is"
    [way] = facts["ways"]
    assert (way["host"], way["interface"], way["error"]) == ("198.51.100.7", "wg0", "")


def test_a_system_that_says_nothing_is_an_error(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> list[dict[str, object]]:
        raise OSError("unsupported")

    monkeypatch.setattr(_native, "interfaces", none)
    result = run("interfaces")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: the interfaces cannot be looked at: unsupported")


def test_mistakes(run: Command) -> None:
    assert run("interfaces", "a.test", "b.test").code == 2
    assert run("interfaces", "300.1.2.3").code == 2
