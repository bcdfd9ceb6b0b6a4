from collections.abc import Callable

import pytest

from bench.subjects import Lab
from bench.subjects.rusnel import Rusnel


@pytest.mark.parametrize(("log", "flags"), [("old", 0), ("new", 2)])
def test_versions_that_check_certificates_are_told_not_to(
    lab: Lab, peers: Callable[..., Callable[[], list[str]]], log: str, flags: int
) -> None:
    said = peers("rusnel", log=log)
    with Rusnel().running(lab) as running:
        assert len(running.pids()) == 2
        port = running.via.rpartition(":")[2]
    lines = said()[1:]
    assert [line.split()[1] for line in lines] == ["server", "client"]
    assert sum("--insecure" in line for line in lines) == flags
    assert lines[1].endswith(f" 127.0.0.1:{port}:socks")
