"""A configuration file for people: every setting with its default, range and meaning, most of it commented out."""

from collections.abc import Iterator

from ginnel.config.bounds import Role
from ginnel.config.setting import Setting
from ginnel.config.settings import SETTINGS

_HEADS: dict[Role, str] = {
    "server": """\
# The settings of a ginnel server. What is commented out shows the default, or an example where there is none.
#   ginnel check server.toml      says what is wrong with it, and where
#   ginnel run -c server.toml     runs it; SIGHUP reads it again
# Every setting can also be given as a variable, such as GINNEL_LIMITS_TCP_BUFFER, and as --set KEY=VALUE.
""",
    "client": """\
# The settings of a ginnel client. What is commented out shows the default, or an example where there is none.
#   ginnel check client.toml      says what is wrong with it, and where
#   ginnel run -c client.toml     runs it; SIGHUP reads it again
# Every setting can also be given as a variable, such as GINNEL_LIMITS_TCP_BUFFER, and as --set KEY=VALUE.
""",
}


def example(role: Role) -> str:
    """Return the file of a role."""
    return "\n".join(_lines(role)) + "\n"


def _lines(role: Role) -> Iterator[str]:
    yield _HEADS[role]
    yield f'role = "{role}"'
    table = ""
    for setting in SETTINGS[role].values():
        inside, _, name = setting.key.rpartition(".")
        if inside != table:
            table = inside
            yield f"\n[{table}]"
        else:
            yield ""
        yield from _comment(setting)
        yield f"{'' if setting.active else '# '}{name} = {setting.example}"


def _comment(setting: Setting) -> Iterator[str]:
    yield from (f"# {line}" for line in setting.does.split("\n"))
    notes = [setting.kind.range, f"Without it: {setting.without}" if setting.without else ""]
    notes.append("" if setting.default is None else f"Default: {setting.kind.show(setting.default)}.")
    note = " ".join(filter(None, notes))
    if note:
        yield f"# {note}"
