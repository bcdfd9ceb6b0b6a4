from bench.subjects import Lab
from bench.subjects.relay import Relay


def test_two_hops_one_at_each_end(lab: Lab) -> None:
    with Relay("relay", "plain relay", threads=2).running(lab) as running:
        (far,), (near,) = running.server, running.client
        assert running.pids() == [far.pid, near.pid]
        assert running.via.startswith("socks5://127.0.0.1:")
        running.check()
    assert not far.alive
    assert not near.alive
