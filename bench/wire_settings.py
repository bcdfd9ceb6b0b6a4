"""What a wire is told: delay, loss, rate, and the buffer that follows from them."""

from dataclasses import dataclass

MTU = 1500
MIN_BUFFER_PACKETS = 10
"""The buffer of a wire whose bandwidth-delay product is nearly nothing."""


class CellError(ValueError):
    """A text that names no wire; the message says what would."""


@dataclass(frozen=True)
class WireSettings:
    """A path: the same in both directions, but for what chance does."""

    rtt_ms: float
    loss_percent: float
    """Per direction."""
    rate_mbit: float
    """Of IP packets."""

    @property
    def buffer_bytes(self) -> int:
        """One bandwidth-delay product."""
        return max(int(self.rate_mbit * 1e6 / 8 * self.rtt_ms / 1e3), MIN_BUFFER_PACKETS * MTU)

    @property
    def key(self) -> str:
        """The name in files."""
        return f"{self.rtt_ms:g}ms-{self.loss_percent:g}%"

    @property
    def title(self) -> str:
        """The name in tables."""
        return (
            f"{self.rtt_ms:g} ms round trip, {self.loss_percent:g} % lost each way, {self.rate_mbit:g} Mbit/s"
        )

    def arguments(self, seed: int) -> list[str]:
        """As the load program wants it."""
        return [
            *("--rate-mbit", f"{self.rate_mbit:g}"),
            *("--delay-ms", f"{self.rtt_ms / 2:g}"),
            *("--loss", f"{self.loss_percent / 100:g}"),
            *("--seed", str(seed)),
            *("--buffer-bytes", str(self.buffer_bytes)),
        ]


def parse_cell(text: str, rate_mbit: float) -> WireSettings:
    """`50/1`: 50 ms round trip, 1 % of loss per direction. Raises CellError with what would be right."""
    parts = text.split("/")
    try:
        rtt, loss = (float(part) for part in parts)
    except ValueError:
        raise CellError(f"{text!r} is no cell: 50/1 is 50 ms round trip and 1 % lost per direction") from None
    if not (0 <= rtt <= 10_000 and 0 <= loss < 100):
        raise CellError(
            f"{text!r} is no cell: a round trip of 0 to 10000 ms and a loss of 0 to 99 % can be had"
        )
    return WireSettings(rtt, loss, rate_mbit)
