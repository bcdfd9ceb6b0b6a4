"""The carriers by their names, and as schemes before an address: `rawtcp://0.0.0.0:443`."""

import re
from typing import Literal, get_args

from ginnel.config.mistakes import Unusable, did_you_mean, is_link

Carrier = Literal["udp", "rawtcp"]
CARRIERS: tuple[Carrier, ...] = get_args(Carrier)
"""By their numbers in share links."""

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://")
_KNOWN = "Write udp:// (also meant where there is no scheme) or rawtcp://."


def split_scheme(text: str, setting: str) -> tuple[Carrier | None, str]:
    """Part the carrier's scheme from what stands behind it; None where there is none.

    Raises Unusable, a ConfigError, for a scheme that is no carrier.
    """
    found = _SCHEME.match(text)
    if found is None or is_link(text):  # what is a share link is told as one by whoever reads the rest
        return None, text
    word = found[1].lower()
    carrier = next((one for one in CARRIERS if one == word), None)
    if carrier is not None:
        return carrier, text[found.end() :]
    if word == "tcp":
        right = (
            f"A connection that the system makes is none of the carriers. rawtcp:// looks like one.\n{_KNOWN}"
        )
    else:
        right = f"{did_you_mean(word, CARRIERS)} {_KNOWN}".strip()
    raise Unusable(setting, text, f"has {found[1]}://, which is no carrier", right)
