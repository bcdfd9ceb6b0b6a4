"""As much of JSON schema (draft 2020-12) as our schemas use: whether a value keeps one."""

import re
from typing import Any

TYPES = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list}
NOTES = {"$schema", "title", "description", "writeOnly"}


def keeps(value: Any, schema: dict[str, Any]) -> bool:
    """Whether the value keeps the schema. An unknown keyword is an error, not a pass."""
    return all(_keeps(value, word, schema) for word in schema.keys() - NOTES)


def _keeps(value: Any, word: str, schema: dict[str, Any]) -> bool:
    bound = schema[word]
    match word:
        case "type":
            return isinstance(value, TYPES[bound]) and (bound == "boolean" or not isinstance(value, bool))
        case "const":
            return bool(value == bound)
        case "enum":
            return value in bound
        case "anyOf":
            return any(keeps(value, one) for one in bound)
        case "pattern":
            return not isinstance(value, str) or re.search(bound, value) is not None
        case "minimum" | "maximum":
            return not isinstance(value, int) or (value >= bound if word == "minimum" else value <= bound)
        case "minLength" | "maxLength":
            return not isinstance(value, str) or (
                len(value) >= bound if word == "minLength" else len(value) <= bound
            )
        case "minItems" | "maxItems":
            return not isinstance(value, list) or (
                len(value) >= bound if word == "minItems" else len(value) <= bound
            )
        case "items":
            return not isinstance(value, list) or all(keeps(one, bound) for one in value)
        case "required":
            return not isinstance(value, dict) or set(bound) <= set(value)
        case "properties":
            return not isinstance(value, dict) or all(
                keeps(one, bound[key]) for key, one in value.items() if key in bound
            )
        case "additionalProperties":
            assert bound is False
            return not isinstance(value, dict) or set(value) <= set(schema["properties"])
        case _:
            raise AssertionError(f"{word!r} is not checked")
