"""How links of the session `kcp` send. Each end decides about what it sends itself."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, ValidationError, model_validator

from ginnel.config.kinds import Choice, Count
from ginnel.config.value import Value, explain
from ginnel.errors import ConfigError

Mode = Literal["auto", "normal", "fast", "fast2", "fast3"]
MODE = Choice(get_args(Mode), '"fast3"')
LANES = Count(1, 16)
WINDOW = Count(32, 32_768)
"""In segments, as users of KCP know it."""
DEFAULT_LANES = 8
DEFAULT_WINDOW = 1024
FIXED_MODES: tuple[str, ...] = tuple(mode for mode in get_args(Mode) if mode != "auto")
"""The modes that have a window; `auto` follows the path."""


def _mode(value: object) -> Any:
    return MODE.read(value, "kcp.mode")


def _lanes(value: object) -> Any:
    return LANES.noted(f" The default is {DEFAULT_LANES}.").read(value, "kcp.lanes")


def _window(value: object) -> Any:
    return None if value is None else WINDOW.read(value, "kcp.window")


class KcpConfig(Value):
    """How links of the session `kcp` send. Raises ConfigError, which names field, value and range."""

    if not TYPE_CHECKING:  # the signature is that of the fields

        def __init__(self, **settings: object) -> None:
            try:
                super().__init__(**settings)
            except ValidationError as error:
                raise explain(error, tuple(type(self).model_fields)) from None

    mode: Annotated[Mode, BeforeValidator(_mode)] = "auto"
    """`auto` sends what the path carries; the others send at once and again early, whatever that does to the path."""
    lanes: Annotated[int, BeforeValidator(_lanes)] = DEFAULT_LANES
    """Conversations in a link, each in order for itself: a loss holds up the streams of one of them."""
    window: Annotated[int | None, BeforeValidator(_window)] = None
    """Segments that may be in flight on a lane, in a fixed mode; None: 1,024. `auto` needs none, and takes none."""

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        if self.window is not None and self.mode not in FIXED_MODES:
            raise ConfigError(
                f'kcp.window = {self.window} counts only in a fixed mode, and kcp.mode is "{self.mode}"',
                hint=f"Leave it out: it follows the path. Or set kcp.mode to one of: {', '.join(FIXED_MODES)}.",
                setting="kcp.window",
            )
        return self

    def engine(self) -> tuple[str, int, int | None]:
        """Mode, lanes and window as the engine takes them; the window in segments, None for `auto`."""
        if self.mode not in FIXED_MODES:
            return self.mode, self.lanes, None
        return self.mode, self.lanes, self.window or DEFAULT_WINDOW
