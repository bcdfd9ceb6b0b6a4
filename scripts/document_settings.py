"""Writes what is made from the table of settings: the rows of docs/configuration.md, and the JSON schemas.

`python -m scripts.document_settings` (or `make docs`) writes them; tests say when that was forgotten.
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from ginnel.config.bounds import ROLES, Role
from ginnel.config.schema import schema
from ginnel.config.setting import Setting
from ginnel.config.settings import SETTINGS

ROOT = Path(__file__).parent.parent
_ROW = re.compile(r"^\| `(?P<key>[a-z0-9_.]+)` \|")


def row(key: str) -> str:
    """The row of a setting: key, role, default, range, what it does, when a change holds."""
    of = {role: SETTINGS[role][key] for role in ROLES if key in SETTINGS[role]}
    setting = next(iter(of.values()))
    role = "both" if len(of) == len(ROLES) else next(iter(of))
    allowed = setting.kind.range.removeprefix("Allowed: ").removeprefix("One of: ").rstrip(".")
    does = " ".join(setting.does.split()).rstrip(".") + "."
    return f"| `{key}` | {role} | {_default(of)} | {allowed} | {does} | {setting.effect} |"


def _default(of: Mapping[Role, Setting]) -> str:
    shown = {
        role: "" if setting.default is None else setting.kind.show(setting.default)
        for role, setting in of.items()
    }
    if len(set(shown.values())) == 1:
        return next(iter(shown.values()))
    return ", ".join(f"{default} ({role})" for role, default in shown.items())


def documented(text: str) -> str:
    """The document with its rows of bounds written anew."""
    lines = []
    for line in text.splitlines():
        found = _ROW.match(line)
        bound = found is not None and found["key"].startswith(
            ("kcp.", "rawtcp.", "profile.", "timeouts.", "limits.")
        )
        lines.append(row(found["key"]) if found is not None and bound else line)
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write everything."""
    path = ROOT / "docs" / "configuration.md"
    path.write_text(documented(path.read_text()))
    for role in ROLES:
        (ROOT / "docs" / "schema" / f"{role}.json").write_text(
            json.dumps(schema(role), indent=2, ensure_ascii=False) + "\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
