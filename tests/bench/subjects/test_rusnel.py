from collections.abc import Callable

import pytest

from bench.subjects import Lab
from bench.subjects.rusnel import Rusnel


@pytest.mark.parametrize(
    ("log", "server", "client"),
    [("old", [], []), ("new", ["--insecure", "--allow-socks"], ["--insecure"])],
)
def test_versions_that_refuse_are_told_not_to(
    lab: Lab, peers: Callable[..., Callable[[], list[str]]], log: str, server: list[str], client: list[str]
) -> None:
    said = peers("rusnel", log=log)
    with Rusnel().running(lab) as running:
        assert len(running.pids()) == 2
        port = running.via.rpartition(":")[2]
    lines = [line.split() for line in said() if "--help" not in line]
    assert [line[1] for line in lines] == ["server", "client"]
    assert lines[0][6:] == server
    assert lines[1][2:-2] == client
    assert lines[1][-1] == f"127.0.0.1:{port}:socks"
