import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.programs import BenchError
from bench.subjects import Lab
from bench.subjects.kcptun import Kcptun

Peers = Callable[..., Callable[[], list[str]]]


def test_it_leads_to_the_origin_and_both_ends_share_a_file_that_nobody_else_reads(
    lab: Lab, peers: Peers
) -> None:
    said = peers("kcptun-client", "kcptun-server")
    assert Kcptun().missing() is None
    with Kcptun().running(replace(lab, origin="127.0.0.1:80")) as running:
        assert len(running.pids()) == 2
    path = lab.directory / "kcptun" / "config.json"
    assert said() == [f"kcptun-server -c {path}", f"kcptun-client -c {path}"]
    assert path.stat().st_mode & 0o777 == 0o600
    config = json.loads(path.read_text())
    assert (config["crypt"], config["mode"], config["nocomp"]) == ("aes-128-gcm", "fast3", True)
    assert config["target"] == "127.0.0.1:80"
    assert config["remoteaddr"] == config["listen"]
    assert (running.via, running.forward) == ("direct", config["localaddr"])
    assert Kcptun().version() == "kcptun-client 1.2.3"


@pytest.mark.usefixtures("nothing_installed")
def test_programs_of_a_release_have_other_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Kcptun().missing() == "kcptun-client, kcptun-server not installed"
    for name in ("client_linux_amd64", "server_linux_arm64"):
        path = tmp_path / name
        path.write_text("#!/bin/sh\n")
        path.chmod(0o700)
        assert Kcptun().missing() is not None or name.startswith("server")
        monkeypatch.setenv("PATH", str(tmp_path))
    assert Kcptun().missing() is None


def test_without_a_target_it_does_not_start(lab: Lab) -> None:
    with pytest.raises(BenchError, match="leads to one target"), Kcptun().running(lab):
        pytest.fail("it must not start")
