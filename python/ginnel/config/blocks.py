"""The letters of a share link: Crockford's base 32, with a check letter after every 15.

Base 32 rather than base 64: a double click selects it whole, no shell touches it, it survives being read out and
a change of case, and a QR code stores its capitals in 5.5 bits each, so that nothing is lost by it.

The letters are grouped in blocks of 15 and a 16th that checks them (the last block may be shorter). The check is
a polynomial over GF(32): it finds every single wrong letter and every two that changed places, and any other
damage with 31 chances in 32, and so tells *where* a link is damaged. That it is undamaged as a whole is for a
checksum inside to say.
"""

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""No I, L, O, U: I and L are read as 1, O as 0 (https://www.crockford.com/base32.html)."""

BLOCK_DATA = 15
"""Data letters per block. Below 31, so that every position has its own weight in the check."""

_BLOCK = BLOCK_DATA + 1
_VALUES = {letter: value for value, letter in enumerate(ALPHABET)} | {"I": 1, "L": 1, "O": 0}
_POLYNOMIAL = 0b100101  # x^5 + x^2 + 1, primitive over GF(2)


def encode(payload: bytes) -> str:
    """Write bytes as letters, check letters included."""
    count = -(-len(payload) * 8 // 5)
    number = int.from_bytes(payload, "big") << (count * 5 - len(payload) * 8)
    symbols = [number >> (5 * (count - 1 - index)) & 31 for index in range(count)]
    letters = []
    for index, start in enumerate(range(0, count, BLOCK_DATA)):
        block = symbols[start : start + BLOCK_DATA]
        letters += [ALPHABET[symbol] for symbol in (*block, _check(index, block))]
    return "".join(letters)


def encoded_length(payload_bytes: int) -> int:
    """How many letters `encode` makes of so many bytes."""
    count = -(-payload_bytes * 8 // 5)
    return count + -(-count // BLOCK_DATA)


def values(text: str) -> list[int | None]:
    """Read each letter as its value from 0 to 31, whatever its case; None for one that is not in the alphabet."""
    return [_VALUES.get(letter) for letter in text.upper()]


def damaged_blocks(symbols: list[int]) -> list[range]:
    """Find the blocks whose check letter does not fit, as ranges of 0-based positions."""
    blocks = (range(start, min(start + _BLOCK, len(symbols))) for start in range(0, len(symbols), _BLOCK))
    return [
        block
        for index, block in enumerate(blocks)
        if len(block) < 2 or _check(index, symbols[block.start : block.stop - 1]) != symbols[block.stop - 1]
    ]


def decode_first(symbols: list[int]) -> bytes:
    """Decode the first block alone: its 9 whole bytes, or fewer when there are fewer."""
    return _bytes(symbols[: min(BLOCK_DATA, len(symbols) - 1)])[0]


def decode(symbols: list[int]) -> bytes | None:
    """Drop the check letters, which the caller has looked at, and decode.

    None when bits are left over that are not zero: no encoder writes that, and one payload has one text.
    """
    data = [
        symbol
        for start in range(0, len(symbols), _BLOCK)
        for symbol in symbols[start : min(start + _BLOCK, len(symbols)) - 1]
    ]
    payload, rest = _bytes(data)
    return None if rest else payload


def _bytes(data: list[int]) -> tuple[bytes, int]:
    """Join 5-bit symbols to whole bytes; also the bits that are left over."""
    number = 0
    for symbol in data:
        number = number << 5 | symbol
    spare = len(data) * 5 % 8
    return (number >> spare).to_bytes(len(data) * 5 // 8, "big"), number & ((1 << spare) - 1)


def _check(index: int, block: list[int]) -> int:
    """Horner's rule at the field's generator; the block's number is mixed in, so that no two can change places."""
    state = (index + 1) & 31
    for symbol in block:
        state = _times_x(state) ^ symbol
    return _times_x(state)


def _times_x(value: int) -> int:
    value <<= 1
    return value ^ _POLYNOMIAL if value & 32 else value
