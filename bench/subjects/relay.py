"""The floor: two TCP hops that copy and do nothing else."""

import contextlib
from collections.abc import Iterator

from bench.places import LOOPBACK
from bench.subjects.base import Lab, Running, Subject


class Relay(Subject):
    """A relay where a tunnel's server would be, which speaks SOCKS, and one where its client would be."""

    def __init__(self, key: str, title: str, threads: int) -> None:
        self.key, self.title = key, title
        self._threads = threads

    @contextlib.contextmanager
    def running(self, lab: Lab) -> Iterator[Running]:
        """Two of the load program's relays."""
        ends, load = lab.ends, lab.load
        with (
            load.relay(ends.server, ends.server.address, threads=self._threads) as (far, address),
            load.relay(ends.client, LOOPBACK, to=address, threads=self._threads) as (near, socks),
        ):
            yield Running(f"socks5://{socks}", server=[far], client=[near])
