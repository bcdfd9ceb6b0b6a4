"""The subjects of both benchmarks, in the order of the report."""

from bench.subjects.base import Lab, Running, Subject
from bench.subjects.direct import Direct
from bench.subjects.ginnel import Ginnel
from bench.subjects.kcptun import Kcptun
from bench.subjects.microsocks import Microsocks
from bench.subjects.pproxy import Pproxy
from bench.subjects.relay import Relay
from bench.subjects.rusnel import Rusnel
from bench.subjects.shadowsocks import Shadowsocks
from bench.subjects.ssh import Ssh

__all__ = ["Direct", "Ginnel", "Lab", "Relay", "Running", "Subject", "clean_subjects", "wan_subjects"]

SESSIONS: dict[str, str] = {"kcp": "KCP"}
"""Sessions beside the one that ginnel has by itself, and what they are called in tables: each is a subject."""

CARRIERS: dict[str, str] = {"rawtcp": "raw TCP"}
"""Carriers beside the one that ginnel has by itself, likewise: each is a subject with every session. Of the clean
benchmark alone: the lossy wire is a TUN device, which no raw segment is sent through unless somebody asks for it.
"""

FIXED_SHARE = 0.92
"""Share of the wire's rate that a sender is told that has to be told: what headers leave of it, and a little less."""


def clean_subjects() -> list[Subject]:
    """Every subject of the clean benchmark, installed or not."""
    return [
        Direct(),
        Relay("relay", "plain relay, two hops", threads=1),
        Relay("relay-threads", "the same, two threads each", threads=2),
        Ginnel("ginnel", "ginnel"),
        *session_subjects(),
        *carrier_subjects(),
        Ginnel("ginnel-light", "ginnel, profile light", {"profile": "light"}),
        Ssh(),
        Microsocks(),
        Shadowsocks(),
        Rusnel(),
        Kcptun(),
        Pproxy(),
    ]


def wan_subjects(rate_mbit: float) -> list[Subject]:
    """Every subject of the lossy laboratory at a wire of that rate: each controller, and what is there beside."""
    told = f"{rate_mbit * FIXED_SHARE:.0f} Mbit/s"
    return [
        Direct("tcp-cubic", "direct TCP, cubic", congestion="cubic"),
        Direct("tcp-bbr", "direct TCP, bbr", congestion="bbr"),
        Ginnel("ginnel", "ginnel, as it comes"),
        *session_subjects(),
        Ginnel("ginnel-light", "ginnel, profile light", {"profile": "light"}),
        Ginnel("ginnel-cubic", "ginnel, cubic", {"congestion": "cubic"}),
        Ginnel("ginnel-fixed", f"ginnel, fixed at {told}", {"congestion": "fixed", "rate": told}),
        Rusnel(),
        Kcptun(),
    ]


def session_subjects() -> list[Subject]:
    """The program as it comes, over each of its other sessions."""
    return [Ginnel(f"ginnel-{name}", f"ginnel, {title}", session=name) for name, title in SESSIONS.items()]


def carrier_subjects() -> list[Subject]:
    """The program over each of its other carriers, with each of its sessions."""
    return [
        Ginnel(
            "-".join(filter(None, ("ginnel", session, carrier))),
            ", ".join(filter(None, ("ginnel", SESSIONS.get(session or ""), title))),
            session=session,
            carrier=carrier,
        )
        for carrier, title in CARRIERS.items()
        for session in (None, *SESSIONS)
    ]
