"""One setting of a configuration file: its key, kind, default, effect and meaning."""

from dataclasses import dataclass, field
from typing import Any, Literal

from ginnel.config.kinds import Kind
from ginnel.config.linktext import SCHEME
from ginnel.config.secret import MASK
from ginnel.config.sharelink import ShareLink
from ginnel.config.values import Config

Effect = Literal["at once", "for new links and streams", "at the next start"]
"""When a change of a setting takes effect in a program that runs."""


class Link(Kind):
    """A share link."""

    example = f'"{SCHEME}…"'

    def read(self, value: object, name: str) -> ShareLink:
        """Read a share link; no error repeats it."""
        return value if isinstance(value, ShareLink) else ShareLink.parse(self.text(value, name))

    def spell(self, value: ShareLink) -> str:  # noqa: ARG002 - that it is not written is the point
        """Write a mask."""
        return f'"{MASK}"'

    def show(self, value: ShareLink) -> str:
        """Write where it leads."""
        return f"{', '.join(str(server.endpoint) for server in value.servers)} {MASK}"

    def schema(self) -> dict[str, Any]:
        """A string that nobody reads back."""
        return {"type": "string", "minLength": 1, "writeOnly": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of a role."""

    key: str
    """As in a file, with its table: `limits.tcp_buffer`."""
    kind: Kind
    does: str
    """A sentence for people."""
    effect: Effect
    default: Any = None
    """None: see `without`."""
    without: str = ""
    """What happens without it, where no default says it."""
    name: str = ""
    """The field of the configuration that it becomes; empty for one that only helps another."""
    secret: bool = False
    active: bool = field(default=False)
    """Whether the example file sets it, because no program runs without."""

    @property
    def variable(self) -> str:
        """The variable of the environment that sets it."""
        return "GINNEL_" + self.key.upper().replace(".", "_")

    @property
    def example(self) -> str:
        """A value that is right, as TOML writes it: the default, if there is one."""
        return self.kind.example if self.default is None else self.kind.spell(self.default)

    def of(self, config: Config) -> Any:
        """Its value in a configuration."""
        value: Any = config
        for part in self.name.split("."):
            value = value.get(part) if isinstance(value, dict) else getattr(value, part)
        return value

    def show(self, value: Any) -> str:
        """Write a value for people, secrets masked."""
        return self.kind.absent if value is None else self.kind.show(value)
