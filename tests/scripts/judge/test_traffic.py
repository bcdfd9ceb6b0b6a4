"""A capture is sorted as an observer would."""

from __future__ import annotations

from ginnel.capture import Datagram
from scripts.judge.traffic import BLOCK, samples, sort

from .links import SERVER, link

CLIENT = "192.0.2.1", 40_000


def test_the_server_is_whoever_is_called() -> None:
    traffic = sort(link(flows=3, each=2), None)
    assert len(traffic.flows) == 3
    assert [len(one) for one in traffic.in_order] == [6, 6]


def test_a_server_that_is_named_is_believed() -> None:
    backwards = [Datagram(0, SERVER, CLIENT, b"late"), Datagram(1, ("192.0.2.9", 53), CLIENT, b"other")]
    traffic = sort(backwards, (SERVER[0], None))
    assert traffic.in_order == ([], [b"late"])
    assert traffic.strangers == 1
    assert sort(backwards, (SERVER[0], 1)).strangers == 2
    assert sort(backwards, SERVER).in_order == ([], [b"late"])


def test_hops_between_the_servers_ports_stay_in_one_flow() -> None:
    hops = [Datagram(port, CLIENT, (SERVER[0], port), b"x") for port in range(5000, 5009)]
    answers = [Datagram(port, (SERVER[0], port), CLIENT, b"y") for port in range(5000, 5009)]
    for server in (None, (SERVER[0], None)):
        traffic = sort(sorted(hops + answers), server)
        assert [len(one) for one in traffic.flows[0].directions] == [9, 9]


def test_what_is_longer_than_a_path_takes_is_left_out() -> None:
    traffic = sort([Datagram(0, CLIENT, SERVER, bytes(size)) for size in (1500, 1501, 9000)], None)
    assert (traffic.merged, [len(one) for one in traffic.in_order[0]]) == (2, [1500])


def test_samples_are_made_where_there_is_enough() -> None:
    assert samples(sort(link(each=599), None), 0) == []
    (one,) = samples(sort(link(each=600), None), 1)
    assert (one.direction, one.name, len(one.datagrams)) == ("server to client", "all datagrams", 600)
    names = [one.name for one in samples(sort(link(flows=50, each=3), None), 0)]
    assert names == [f"datagram {number} of each flow" for number in (1, 2, 3)]


def test_a_long_capture_is_looked_at_in_three_places() -> None:
    numbered = [Datagram(number, CLIENT, SERVER, number.to_bytes(4)) for number in range(10_000)]
    (one,) = samples(sort(numbered, None), 0)
    seen = [int.from_bytes(datagram) for datagram in one.datagrams]
    assert len(seen) == 3 * BLOCK
    assert (seen[0], seen[BLOCK], seen[-1]) == (0, (10_000 - BLOCK) // 2, 9999)
