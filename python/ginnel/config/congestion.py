"""What decides how fast a link sends: a controller, and for one of them the rate that it is told.

Each end decides about what it sends itself.
"""

from typing import Literal, Self, get_args

from pydantic import model_validator

from ginnel.config.kinds import Rate
from ginnel.config.value import Value
from ginnel.errors import ConfigError

Congestion = Literal["adaptive", "cubic", "fixed"]
CONTROLLERS: tuple[str, ...] = get_args(Congestion)
RATE = Rate(100_000, 100_000_000_000)
"""What `fixed` can be told, in bits per second: 100 kbit/s to 100 Gbit/s."""


class Sending(Value):
    """The settings of what an end sends. Raises ConfigError where the rate is missing, or has no use."""

    congestion: Congestion = "adaptive"
    """What decides how fast a link sends: what the path is found to carry, CUBIC (RFC 9438), or a given rate."""
    rate_bits_per_second: int | None = None
    """What shall arrive on a link, without headers of IP and UDP, when `congestion` is "fixed"; None otherwise."""

    @model_validator(mode="after")
    def _check_rate(self) -> Self:
        rate = self.rate_bits_per_second
        if rate is not None:
            RATE.check(rate, "rate_bits_per_second")
        if (rate is not None) != (self.congestion == "fixed"):
            wrong = (
                'congestion = "fixed" needs rate_bits_per_second'
                if rate is None
                else f'rate_bits_per_second is used by congestion = "fixed" alone, not by "{self.congestion}"'
            )
            raise ConfigError(wrong, hint="Give both or neither.", setting="rate_bits_per_second")
        return self

    def engine_congestion(self) -> tuple[str, float | None]:
        """The controller and its rate as the engine takes them: name, and bytes per second."""
        rate = self.rate_bits_per_second
        return self.congestion, None if rate is None else rate / 8
