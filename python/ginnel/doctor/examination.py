"""All checks, one after the other."""

from collections.abc import Iterator

from ginnel.config import clock
from ginnel.doctor import firewall, offloads, resources, rights, timekeeping, ways
from ginnel.doctor.finding import Finding, Wanted
from ginnel.errors import OPTIONAL_RIGHT


def examine(wanted: Wanted) -> Iterator[Finding]:
    """Look at everything that matters for what is wanted. Whatever cannot be seen is a finding, too."""
    of_process = rights.read()
    yield from rights.check(of_process, wanted)
    is_linux = of_process.system == "Linux"
    may_change = OPTIONAL_RIGHT in (of_process.rights or ())
    if is_linux:
        found = ways.find(wanted)
        yield from ways.check(found, wanted)
        for interface in dict.fromkeys(way.interface for way in found if way.interface is not None):
            if interface.kind == "ethernet":
                yield from offloads.check(interface.name, offloads.read(interface.name))
    yield from timekeeping.check(clock.complaint(), timekeeping.read())
    yield from resources.check(resources.read(), may_force=may_change)
    if is_linux:
        yield from firewall.check(firewall.read(), wanted, may_change=may_change)
