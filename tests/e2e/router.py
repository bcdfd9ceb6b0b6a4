"""What a router does to packets beside passing them on: connection tracking, translation of addresses, loss.

One table of nftables, `lab`, in the router's namespace. Its chains count what connection tracking calls invalid, each
direction for itself, before anything is dropped.
"""

from __future__ import annotations

import json
import re
from collections import Counter

from .namespace import Namespace

RULES = """
table inet lab {
  counter invalid_there { }
  counter invalid_back { }
  counter seen { }
  counter lost { }
  chain watch {
    type filter hook forward priority -10; policy accept;
    counter name seen
    iifname "left" ct state invalid counter name invalid_there
    iifname "right" ct state invalid counter name invalid_back
  }
  chain loss { type filter hook forward priority 0; policy accept; }
  chain translation { type nat hook postrouting priority srcnat; policy accept; }
}
"""

PARTS = 10_000
"""The die of the loss has so many sides."""


class Router:
    """A machine with the devices `left`, towards the client, and `right`, towards the server."""

    def __init__(self, space: Namespace) -> None:
        self.space = space

    def watch(self, *, loose: bool) -> None:
        """Track connections and count what is invalid; `loose`: whether one may be taken up in the middle."""
        for name, value in (
            ("tcp_loose", int(loose)),
            ("tcp_be_liberal", 0),
            ("tcp_ignore_invalid_rst", 0),
            ("checksum", 1),
            ("log_invalid", 0),
        ):
            self.space.sysctl(f"net/netfilter/nf_conntrack_{name}", value)
        self.nft("table inet lab\ndelete table inet lab\n" + RULES)
        self.forget()

    def nft(self, rules: str) -> None:
        """Feed rules to nft."""
        self.space.run("nft", "-f", "-", stdin=rules)

    def refuse_invalid(self) -> None:
        """Drop what is invalid, as a strict firewall does, after it has been counted."""
        self.nft("add rule inet lab watch ct state invalid drop")

    def masquerade(self) -> None:
        """Show the server the router's address instead of the client's, and another port."""
        self.nft('add rule inet lab translation oifname "right" masquerade random')

    def lose(self, share: float, *, towards: str | None = None) -> None:
        """Lose this share of the packets, both ways or towards one side; 0 loses none."""
        rules = "flush chain inet lab loss\n"
        if share:
            device = f'oifname "{towards}" ' if towards else ""
            rules += f"add rule inet lab loss {device}numgen random mod {PARTS} < {round(share * PARTS)} "
            rules += "counter name lost drop\n"
        self.nft(rules)

    def counted(self, name: str) -> int:
        """Packets that one of the counters has seen."""
        said = json.loads(self.space.run("nft", "-j", "list", "counter", "inet", "lab", name))
        return int(next(item["counter"]["packets"] for item in said["nftables"] if "counter" in item))

    def invalid(self) -> tuple[int, int]:
        """Packets that connection tracking called invalid: towards the server, and back."""
        return self.counted("invalid_there"), self.counted("invalid_back")

    def forget(self) -> None:
        """Forget every connection, as a router does that starts anew."""
        self.space.run("conntrack", "-F")

    def tracked(self) -> list[str]:
        """The lines of `conntrack -L`: one for each connection."""
        return [
            line
            for family in ("ipv4", "ipv6")
            for line in self.space.run("conntrack", "-L", "-f", family).splitlines()
        ]

    def states(self) -> Counter[str]:
        """How many TCP connections are in which state."""
        return Counter(
            word[1] for line in self.tracked() if (word := re.match(r"tcp\s+6\s+\d+\s+([A-Z_0-9]+)\s", line))
        )
