import pytest

from bench import subjects as module
from bench.subjects import SESSIONS, Ginnel, carrier_subjects, clean_subjects, wan_subjects


@pytest.mark.usefixtures("nothing_installed")
def test_without_peers_there_is_what_we_bring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.subjects.ginnel.why_no_frames", lambda: None)
    present = [one.key for one in clean_subjects() if not one.missing()]
    assert present == [
        *("direct", "relay", "relay-threads", "ginnel"),
        *(f"ginnel-{session}" for session in SESSIONS),
        *(one.key for one in carrier_subjects()),
        "ginnel-light",
    ]
    missing = {one.key: one.missing() for one in clean_subjects() if one.missing()}
    assert missing == {
        "ssh": "ssh, sshd, ssh-keygen not installed",
        "microsocks": "microsocks not installed",
        "shadowsocks": "ssserver, sslocal not installed",
        "rusnel": "rusnel not installed",
        "kcptun": "kcptun-client, kcptun-server not installed",
        "pproxy": "pproxy not installed",
    }


def test_names_are_unique() -> None:
    for subjects in (clean_subjects(), wan_subjects(200)):
        assert len({one.key for one in subjects}) == len(subjects)
        assert len({one.title for one in subjects}) == len(subjects)


def test_the_laboratory_has_every_controller_and_the_rate_follows_the_wire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SESSIONS", {})
    titles = [one.title for one in wan_subjects(50) if isinstance(one, Ginnel)]
    assert titles == [
        "ginnel, as it comes",
        "ginnel, profile light",
        "ginnel, cubic",
        "ginnel, fixed at 46 Mbit/s",
    ]


def test_every_session_is_a_subject_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SESSIONS", {"kcp": "KCP"})
    for subjects in (clean_subjects(), wan_subjects(200)):
        keys = [one.key for one in subjects]
        assert keys[keys.index("ginnel") + 1] == "ginnel-kcp"
        over = subjects[keys.index("ginnel-kcp")]
        assert over.title == "ginnel, KCP"
        assert not over.counts_allocations


def test_every_carrier_is_a_subject_with_every_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SESSIONS", {"kcp": "KCP"})
    monkeypatch.setattr(module, "CARRIERS", {"rawtcp": "raw TCP"})
    subjects = {one.key: one for one in clean_subjects()}
    titles = {key: one.title for key, one in subjects.items() if key.endswith("rawtcp")}
    assert titles == {"ginnel-rawtcp": "ginnel, raw TCP", "ginnel-kcp-rawtcp": "ginnel, KCP, raw TCP"}
    assert not any(subjects[key].counts_allocations for key in titles)
    assert not [one for one in wan_subjects(200) if one.key.endswith("rawtcp")]


def test_raw_tcp_is_missing_where_it_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.subjects.ginnel.why_no_frames", lambda: "no rights")
    missing = {one.key: one.missing() for one in clean_subjects()}
    assert (missing["ginnel"], missing["ginnel-kcp"]) == (None, None)
    assert (missing["ginnel-rawtcp"], missing["ginnel-kcp-rawtcp"]) == ("no rights", "no rights")
