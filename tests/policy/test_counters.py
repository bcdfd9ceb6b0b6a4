"""Counters: what has grown, in batches that are kept until they are written."""

from collections.abc import Mapping

import pytest

from ginnel.config.roster import Usage
from ginnel.errors import StateError
from ginnel.policy.counters import Counters


class Pages:
    """A book that can be full, before or after it has taken a batch."""

    def __init__(self) -> None:
        self.batches: dict[tuple[str, int], dict[str, Usage]] = {}
        self.fails = ""

    def count(self, run: str, batch: int, usage: Mapping[str, Usage]) -> None:
        if self.fails == "before":
            raise StateError("the disk is full")
        self.batches.setdefault((run, batch), dict(usage))
        if self.fails == "after":
            raise StateError("the disk is odd")

    def sum(self, name: str) -> Usage:
        found = [batch[name] for batch in self.batches.values() if name in batch]
        seen = [usage.last_seen for usage in found if usage.last_seen is not None]
        return Usage(
            sum(usage.links for usage in found),
            sum(usage.streams for usage in found),
            sum(usage.bytes_received for usage in found),
            sum(usage.bytes_sent for usage in found),
            max(seen, default=None),
        )


def figures(streams: int, received: int, sent: int, links: int = 0) -> dict[str, int]:
    return {
        "links": links, "streams": 9, "streams_opened": streams, "bytes_received": received, "bytes_sent": sent
    }  # fmt: skip


@pytest.fixture
def now() -> list[float]:
    """The time, in its only element."""
    return [1000.5]


@pytest.fixture
def counters(now: list[float]) -> Counters:
    """Counters whose clock is `now`."""
    return Counters(lambda: now[0])


def test_growth_is_written_once(counters: Counters, now: list[float]) -> None:
    book = Pages()
    counters.link_up("anna")
    counters.take({"anna": figures(1, 10, 100)})
    counters.write(book)
    assert book.sum("anna") == Usage(1, 1, 10, 100, 1000)
    now[0] = 2000
    counters.take({"anna": figures(1, 10, 100)})
    counters.write(book)
    assert len(book.batches) == 1
    assert not counters.is_waiting
    counters.take({"anna": figures(3, 15, 100), "bob": figures(0, 0, 1)})
    counters.write(book)
    assert book.sum("anna") == Usage(1, 3, 15, 100, 2000)
    assert book.sum("bob") == Usage(0, 0, 0, 1, 2000)


def test_a_link_that_stands_is_seen_though_it_is_idle(counters: Counters, now: list[float]) -> None:
    book = Pages()
    counters.take({"anna": figures(0, 0, 0, links=1)})
    now[0] = 2000
    counters.link_down("anna")
    counters.write(book)
    assert book.sum("anna") == Usage(last_seen=2000)


def test_an_engine_that_forgot_a_user_begins_at_nothing(counters: Counters) -> None:
    book = Pages()
    counters.take({"anna": figures(5, 50, 500)})
    counters.take({"anna": figures(1, 10, 100)})
    counters.take({})
    counters.take({"anna": figures(2, 20, 200)})
    counters.write(book)
    assert book.sum("anna").streams == 5 + 1 + 2
    assert book.sum("anna").bytes_sent == 500 + 100 + 200


@pytest.mark.parametrize("fails", ["before", "after"])
def test_what_fails_is_kept_and_counts_once(counters: Counters, fails: str) -> None:
    book = Pages()
    book.fails = fails
    counters.take({"anna": figures(1, 10, 100)})
    for sent in (100, 150):
        counters.take({"anna": figures(1, 10, sent)})
        with pytest.raises(StateError):
            counters.write(book)
    book.fails = ""
    counters.write(book)
    assert book.sum("anna").bytes_sent == 150
    assert book.sum("anna").streams == 1


def test_two_runs_are_told_apart() -> None:
    book = Pages()
    for _ in range(2):
        counters = Counters()
        counters.link_up("anna")
        counters.write(book)
    assert book.sum("anna").links == 2


def test_who_is_gone_leaves_nothing(counters: Counters) -> None:
    book = Pages()
    book.fails = "before"
    counters.take({"anna": figures(1, 10, 100), "bob": figures(1, 1, 1)})
    with pytest.raises(StateError):
        counters.write(book)
    counters.take({"anna": figures(2, 10, 100), "bob": figures(1, 1, 1)})
    counters.forget(["anna", "nobody"])
    book.fails = ""
    # A new user of the same name begins where the old one has ended.
    counters.take({"anna": figures(2, 10, 107), "bob": figures(1, 1, 1)})
    counters.write(book)
    assert book.sum("anna").bytes_sent == 7
    assert book.sum("anna").streams == 0
    assert book.sum("bob").bytes_sent == 1
