"""No tunnel: the load goes straight to the origin."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from bench.places import DEVICE, ip
from bench.subjects.base import Lab, Running, Subject

CONTROLLERS = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")


class Direct(Subject):
    """Direct TCP, with the kernel's usual congestion controller or one that is named."""

    def __init__(self, key: str = "direct", title: str = "direct", congestion: str | None = None) -> None:
        self.key, self.title = key, title
        self._congestion = congestion

    def missing(self) -> str | None:
        """A controller that the kernel does not have."""
        if self._congestion is None or self._congestion in CONTROLLERS.read_text().split():
            return None
        return f"this kernel has no {self._congestion}"

    @contextlib.contextmanager
    def running(self, lab: Lab) -> Iterator[Running]:
        """Nothing is started. The controller goes into the routes of namespaces, which are thrown away.

        The sysctl of a namespace would take only those controllers that the whole machine allows to everybody.
        """
        client, server = lab.ends.client, lab.ends.server
        if self._congestion is not None and client.namespace and server.namespace:
            for place, other in ((client, server), (server, client)):
                way = "route", "replace", other.address, "dev", DEVICE, "congctl", self._congestion
                ip("-n", str(place.namespace), *way)
        yield Running("direct")
