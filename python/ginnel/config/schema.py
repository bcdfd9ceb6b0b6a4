"""The JSON schema (draft 2020-12) of a configuration file, for editors that complete and check TOML."""

from typing import Any

from ginnel.config.bounds import Role
from ginnel.config.setting import Setting
from ginnel.config.settings import SETTINGS, SHORT, TABLES


def schema(role: Role) -> dict[str, Any]:
    """Return the schema of a role's file. Bounds of times and sizes, which are strings, stand in the descriptions."""
    root: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"ginnel {role}",
        **_table(f"The configuration file of a ginnel {role}, for `ginnel run -c FILE`."),
        "required": ["role"],
    }
    root["properties"]["role"] = {"const": role, "description": "What the program is."}
    tables: dict[str, dict[str, Any]] = {"": root}
    for name in TABLES:
        parent, _, last = name.rpartition(".")
        tables[name] = tables[parent]["properties"][last] = _table(f"The table [{name}].")
    for setting in SETTINGS[role].values():
        table, _, key = setting.key.rpartition(".")
        tables[table]["properties"][key] = _property(setting)
    for name, key in SHORT.items():
        one = SETTINGS[role][key].kind.schema()
        root["properties"][name] = {
            "description": f"The table [{name}], or its preset.",
            "anyOf": [one, tables[name]],
        }
    return root


def _table(description: str) -> dict[str, Any]:
    return {"description": description, "type": "object", "properties": {}, "additionalProperties": False}


def _property(setting: Setting) -> dict[str, Any]:
    words = [setting.does, setting.kind.range]
    if setting.without:
        words.append(f"Without it: {setting.without}")
    if setting.default is not None:
        words.append(f"Default: {setting.kind.show(setting.default)}.")
    words.append(f"A change takes effect {setting.effect}.")
    return {**setting.kind.schema(), "description": " ".join(filter(None, words))}
