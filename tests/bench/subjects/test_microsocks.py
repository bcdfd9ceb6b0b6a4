from collections.abc import Callable

from bench.subjects import Lab
from bench.subjects.microsocks import Microsocks


def test_it_is_one_hop_at_the_server(lab: Lab, peers: Callable[..., Callable[[], list[str]]]) -> None:
    said = peers("microsocks")
    with Microsocks().running(lab) as running:
        assert len(running.server) == 1
        assert not running.client
        port = running.via.rpartition(":")[2]
    assert said() == [f"microsocks -i 127.0.0.1 -p {port}"]
