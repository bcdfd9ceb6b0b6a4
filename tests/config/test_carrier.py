"""Carriers as schemes before an address."""

import pytest

from ginnel.config.carrier import CARRIERS, split_scheme
from ginnel.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "parted"),
    [
        ("udp://0.0.0.0:4433", ("udp", "0.0.0.0:4433")),
        (" RawTCP://443", ("rawtcp", "443")),
        ("rawtcp://[::1]:443,5000-5100", ("rawtcp", "[::1]:443,5000-5100")),
        ("0.0.0.0:4433", (None, "0.0.0.0:4433")),
        ("rawtcp", (None, "rawtcp")),
        ("", (None, "")),
    ],
)
def test_a_scheme_is_parted_from_the_address(text: str, parted: tuple[str | None, str]) -> None:
    assert split_scheme(text, "listen") == parted


@pytest.mark.parametrize(
    ("text", "what", "right"),
    [
        ("tcp://0.0.0.0:443", "has tcp://, which is no carrier", "rawtcp:// looks like one"),
        ("rawtpc://443", "has rawtpc://, which is no carrier", "Did you mean 'rawtcp'?"),
        ("http://a.example", "has http://, which is no carrier", ""),
    ],
)
def test_a_scheme_that_is_none_is_told_with_those_that_are(text: str, what: str, right: str) -> None:
    with pytest.raises(ConfigError) as caught:
        split_scheme(text, "--listen")
    assert str(caught.value) == f"--listen = {text!r} {what}"
    assert right in caught.value.hint
    assert all(f"{carrier}://" in caught.value.hint for carrier in CARRIERS)


def test_a_share_link_is_left_to_whoever_reads_addresses() -> None:
    assert split_scheme("ginnel://04074000", "listen") == (None, "ginnel://04074000")
