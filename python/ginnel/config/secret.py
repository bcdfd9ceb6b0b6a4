"""The type that keys live in, so that no repr, log line, error or dump ever shows one."""

import hmac
import secrets
from typing import Any, NoReturn

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

KEY_BYTES = 32
"""Length of every key: the deployment secret, X25519 private and public keys."""

MASK = "(secret)"


class Secret:
    """32 secret bytes. `reveal` is the only way to them."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        if len(value) != KEY_BYTES:
            # The value stays out of the message.
            raise ValueError(f"a key is {KEY_BYTES} bytes long")
        self._value = value

    @classmethod
    def generate(cls) -> "Secret":
        """Draw one from the system's randomness."""
        return cls(secrets.token_bytes(KEY_BYTES))

    def reveal(self) -> bytes:
        """Return the bytes. Whoever calls this answers for where they go."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")

    @classmethod
    def _from_any(cls, value: object) -> "Secret":
        if isinstance(value, cls):
            return value
        if isinstance(value, bytes):
            return cls(value)
        raise ValueError(f"a key is {KEY_BYTES} bytes")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Accept a Secret or 32 bytes; dump as a mask."""
        return core_schema.no_info_plain_validator_function(
            cls._from_any,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda _: MASK, when_used="json", return_schema=core_schema.str_schema()
            ),
        )
