"""The share link: what it carries, in both of its formats."""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ginnel.config import blocks
from ginnel.config.linktext import SCHEME
from ginnel.config.ports import MAX_RANGES, Ports
from ginnel.config.profile import FIELDS, PRESETS, Profile
from ginnel.config.secret import Secret
from ginnel.config.sharelink import FORMATS, MAX_SERVERS, SESSIONS, ServerEntry, ShareLink
from ginnel.errors import ConfigError, ShareLinkError

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "sharelink.json").read_text())

KEYS = st.binary(min_size=32, max_size=32).map(Secret)
NAMES = st.from_regex(r"\A[a-z0-9_]{1,20}(\.[a-z][a-z0-9-]{0,20}[a-z0-9]){1,3}\Z")
PORTS = st.lists(
    st.integers(1, 65535).flatmap(lambda low: st.tuples(st.just(low), st.integers(low, low + 9))),
    min_size=1,
    max_size=8,
).map(lambda ranges: Ports(tuple((low, min(high, 65535)) for low, high in ranges)))
SERVERS = st.builds(
    ServerEntry,
    host=st.one_of(st.ip_addresses().map(str), NAMES),
    ports=PORTS,
    public_key=st.binary(min_size=32, max_size=32),
    psk=KEYS,
    private_key=KEYS,
)
LABELS = st.text(st.characters(exclude_categories=["C"]), max_size=16)
PROFILES = st.builds(Profile.derive, KEYS, st.sampled_from(PRESETS)) | st.none()
LINKS = st.builds(
    ShareLink,
    servers=st.lists(SERVERS, min_size=1, max_size=MAX_SERVERS).map(tuple),
    profile=PROFILES,
    session=st.sampled_from(SESSIONS),
    label=LABELS,
)
PROFILE = Profile.derive(Secret(bytes(range(32))))


def server(**changes: Any) -> ServerEntry:
    fields: dict[str, Any] = {
        "host": "203.0.113.7",
        "ports": Ports.one(38411),
        "public_key": bytes(range(64, 96)),
        "psk": Secret(bytes(range(32))),
        "private_key": Secret(bytes(range(32, 64))),
    }
    return ServerEntry(**{**fields, **changes})


def link(**changes: Any) -> ShareLink:
    return ShareLink(**{"servers": (server(),), **changes})


TEXT = link().to_text()
"""Of format 1."""
FULL = link(
    servers=(
        server(ports=Ports.run(38411, 20)),
        server(host="example.org", ports=Ports(((443, 443), (5000, 5100))), public_key=bytes([9] * 32)),
        server(host="::1", psk=Secret(bytes(32)), private_key=Secret(bytes([7] * 32))),
    ),
    profile=PROFILE,
    label="at home",
)
"""Of format 2: the first two servers have their secrets in common."""


def rebuilt(body: bytes | None = None, at: dict[int, int] | None = None, text: str = TEXT) -> str:
    """A link whose payload was changed and whose checksums fit again."""
    payload = bytearray(payload_of(text)) if body is None else bytearray(body)
    for offset, value in (at or {}).items():
        payload[offset] = value
    digest = hashlib.blake2s(payload, digest_size=4, person=b"ginnel-l").digest()
    return SCHEME + blocks.encode(bytes(payload) + digest)


def payload_of(text: str) -> bytes:
    symbols = [value for value in blocks.values(text[len(SCHEME) :]) if value is not None]
    return (blocks.decode(symbols) or b"")[:-4]


def complaint(text: str) -> ShareLinkError:
    with pytest.raises(ShareLinkError) as caught:
        ShareLink.parse(text)
    return caught.value


def read_vector(vector: dict[str, Any]) -> ShareLink:
    common = {name: vector[name] for name in ("psk", "private_key", "carrier") if name in vector}
    servers = []
    for one in vector["servers"]:
        fields = {**common, **one}
        servers.append(
            ServerEntry(
                carrier=fields["carrier"],
                host=fields["host"],
                ports=Ports.one(fields["port"])
                if "port" in fields
                else Ports.parse(fields["ports"], setting="ports"),
                public_key=bytes.fromhex(fields["public_key"]),
                psk=Secret(bytes.fromhex(fields["psk"])),
                private_key=Secret(bytes.fromhex(fields["private_key"])),
            )
        )
    profile = vector.get("profile")
    return ShareLink(
        servers=tuple(servers),
        profile=profile
        and Profile.build(
            **{name: value if name == "preset" else tuple(value) for name, value in profile.items()}
        ),
        session=vector["session"],
        label=vector["label"],
    )


@pytest.mark.parametrize("vector", VECTORS["good"], ids=lambda vector: vector["name"])
def test_golden_vectors(vector: dict[str, Any]) -> None:
    expected = read_vector(vector)
    assert ShareLink.parse(vector["link"]) == expected
    assert expected.to_text() == vector["link"]


@pytest.mark.parametrize("vector", VECTORS["bad"], ids=lambda vector: vector["name"])
def test_golden_vectors_of_what_is_refused(vector: dict[str, Any]) -> None:
    error = complaint(vector["link"])
    assert str(error) == vector["error"]
    assert error.position == vector["position"]


@given(LINKS)
def test_round_trip(link: ShareLink) -> None:
    text = link.to_text()
    assert ShareLink.parse(text) == link
    assert text.removeprefix(SCHEME).isalnum()


@pytest.mark.parametrize(("offset", "number"), [(3, 2), (4, 1)])
def test_a_session_or_carrier_we_do_not_have(offset: int, number: int) -> None:
    assert "made by a newer ginnel" in str(complaint(rebuilt(at={offset: number})))


@pytest.mark.parametrize("asking", [TEXT, FULL.to_text()], ids=["format 1", "format 2"])
def test_a_link_asks_for_kcp_with_one_byte(asking: str) -> None:
    quic = ShareLink.parse(asking)
    kcp = ShareLink.parse(rebuilt(payload_of(asking)[:3] + b"\x01" + payload_of(asking)[4:]))
    assert (quic.session, kcp.session) == ("quic", "kcp")
    assert kcp == quic.model_copy(update={"session": "kcp"})


def test_a_name_must_be_in_its_normal_form() -> None:
    payload = bytearray(1 + 2 + 2 + 64) + b"\0\x01" + b"\x03\x0bEXAMPLE.ORG" + b"\x01\xbb" + bytes(32)
    payload[0] = 1
    payload[1:3] = (len(payload) + 4).to_bytes(2, "big")
    assert "host name in it is not in its normal form" in str(complaint(rebuilt(bytes(payload))))
    good = bytes(payload).replace(b"EXAMPLE.ORG", b"example.org")
    assert ShareLink.parse(rebuilt(good)).servers[0].host == "example.org"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({0: 0}, "its beginning makes no sense"),
        ({1: 255}, "its beginning makes no sense"),
        ({69: 5}, "a label"),  # the length of the label
        ({69: 255}, "it ends in the middle of a field"),
        ({70: 0}, "it names 0 servers"),
        ({70: 9}, "it names 9 servers"),
        ({70: 2}, "it ends in the middle of a field"),
        ({71: 2}, "a host of the unknown type 2"),
        ({71: 3}, "it ends in the middle of a field"),
        ({76: 0, 77: 0}, "a label, host, port or profile in it is not valid"),
    ],
)
def test_fields_of_format_1_that_ginnel_never_writes(change: dict[int, int], why: str) -> None:
    # The checksum fits: only a program could have made these.
    error = complaint(rebuilt(at=change))
    assert why in str(error) or (why == "a label" and "not made by ginnel" in str(error))


ONE = link(profile=PROFILE).to_text()
"""Of format 2, with one server: two secrets from offset 7 on, the server from 72 on, its ranges at 79."""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({1: 255}, "its beginning makes no sense"),
        ({6: 1}, "a server has secret 2 of 1"),
        ({71: 0}, "it names 0 servers"),
        ({72: 2}, "a server has secret 3 of 2"),
        ({72: 1, 73: 0}, "it is not in its normal form"),  # the secrets in another order
        ({79: 0}, "a label, host, port or profile in it is not valid"),
        ({80: 0, 81: 0, 82: 0, 83: 0}, "a label, host, port or profile in it is not valid"),
        ({80: 255}, "a label, host, port or profile in it is not valid"),  # a range that runs backwards
        ({116: 3}, "it has a profile of the unknown preset 3"),
        ({116: 255}, "it goes on after its last field"),
        ({117: 17, 118: 17}, "profile.junk_count = [17, 17] is out of range"),
        ({117: 9, 118: 8}, "profile.junk_count = [9, 8] is the wrong way round"),
    ],
)
def test_fields_of_format_2_that_ginnel_never_writes(change: dict[int, int], why: str) -> None:
    if 6 in change:
        # One secret taken out of the table, and of the payload.
        body = bytearray(payload_of(ONE))
        del body[39:71]
        body[6] = 1
        body[1:3] = (len(body) + 4).to_bytes(2, "big")
        assert why in str(complaint(rebuilt(bytes(body))))
        return
    assert why in str(complaint(rebuilt(at=change, text=ONE)))


def test_a_secret_that_no_server_names_is_refused() -> None:
    body = bytearray(payload_of(ONE))
    body[6] = 3
    body[71:71] = bytes(32)
    body[1:3] = (len(body) + 4).to_bytes(2, "big")
    assert "not in its normal form" in str(complaint(rebuilt(bytes(body))))


def test_ranges_that_touch_are_one() -> None:
    body = bytearray(payload_of(ONE))
    body[79] = 2
    port = int.from_bytes(body[80:82], "big")
    body[84:84] = 2 * (port + 1).to_bytes(2, "big")
    body[1:3] = (len(body) + 4).to_bytes(2, "big")
    assert "not in its normal form" in str(complaint(rebuilt(bytes(body))))


@pytest.mark.parametrize("length", range(1, 150, 7))
def test_format_2_cut_short_with_a_checksum_that_fits(length: int) -> None:
    body = bytearray(payload_of(FULL.to_text())[:-length])
    body[1:3] = (len(body) + 4).to_bytes(2, "big")
    assert "not made by ginnel: it ends in the middle of a field" in str(complaint(rebuilt(bytes(body))))


def test_what_is_new_needs_format_2_and_nothing_else_does() -> None:
    two = server(host="a.example", public_key=bytes(32))
    for new in (
        link(profile=PROFILE),
        link(servers=(server(ports=Ports.run(5, 2)),)),
        link(servers=(server(), server(psk=Secret(bytes(32))))),
        link(servers=(server(), server(private_key=Secret(bytes(32))))),
    ):
        assert payload_of(new.to_text())[0] == 2
    for old in (link(), link(servers=(server(), two), label="x")):
        assert payload_of(old.to_text())[0] == 1


def test_secrets_that_servers_have_in_common_stand_there_once() -> None:
    payload = payload_of(FULL.to_text())
    for secret in {key for one in FULL.servers for key in (one.psk, one.private_key)}:
        assert payload.count(secret.reveal()) == 1
    assert ShareLink.parse(FULL.to_text()) == FULL


def test_a_profile_is_carried_field_by_field() -> None:
    for preset in (0, 1, 2):
        fields = {name: (field.kind.low, field.kind.high) for name, field in FIELDS.items()}
        widest = Profile(preset=(None, *PRESETS)[preset], **fields)
        assert (
            ShareLink.parse(link(profile=widest, servers=(server(carrier="rawtcp"),)).to_text()).profile
            == widest
        )
        # What is raw TCP's alone is not said where there is none.
        plain = widest.model_copy(update={"printable": None})
        assert (
            ShareLink.parse(link(profile=widest).to_text()).profile == plain == link(profile=widest).profile
        )


@given(st.binary(max_size=250), st.sampled_from([0, 1, 2]))
def test_no_payload_with_a_fitting_checksum_breaks_the_parser(body: bytes, form: int) -> None:
    if form:
        rest = bytes(2 + 64) if form == 1 else bytes(3)
        body = bytes([form]) + (3 + len(rest) + len(body) + 4).to_bytes(2, "big") + rest + body
    with contextlib.suppress(ShareLinkError):
        ShareLink.parse(rebuilt(body))


@given(st.integers(3, len(payload_of(FULL.to_text())) - 1), st.integers(0, 255))
def test_no_changed_byte_of_a_whole_link_breaks_the_parser(at: int, value: int) -> None:
    text = rebuilt(at={at: value}, text=FULL.to_text())
    with contextlib.suppress(ShareLinkError):
        # What it takes, it would write just so.
        assert ShareLink.parse(text).to_text() == text


def test_common_links_are_short_enough_to_copy_and_to_scan() -> None:
    # What QR codes of version 7 (45 x 45) and 8 (49 x 49) hold of their compact alphabet.
    assert len(TEXT) <= 224
    assert len(link(servers=(server(ports=Ports.run(38411, 20)),), profile=PROFILE).to_text()) <= 279


def test_its_repr_masks_the_keys() -> None:
    for text in (repr(FULL), str(FULL), repr(FULL.servers[0])):
        assert "(secret)" in text
        assert repr(bytes(range(32)))[2:20] not in text


def test_bounds() -> None:
    one = link().servers[0]
    longest = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
    apart = Ports(tuple((port, port) for port in range(1, 2 * MAX_RANGES, 2)))
    every = [
        server(
            host=longest, ports=apart, psk=Secret(bytes([at] * 32)), private_key=Secret(bytes([at + 9] * 32))
        )
        for at in range(8)
    ]
    full = link(servers=tuple(every), label="x" * 64, profile=PROFILE)
    assert len(payload_of(full.to_text())) + 4 == FORMATS[2][-1]
    assert len(full.to_text()) < 6_000
    assert ShareLink.parse(full.to_text()) == full
    full = link(servers=(server(host=longest),) * 8, label="x" * 64)
    assert len(payload_of(full.to_text())) + 4 == FORMATS[1][-1]
    assert ShareLink.parse(full.to_text()) == full
    least = server(private_key=server().psk)
    assert len(payload_of(link(servers=(server(),)).to_text())) + 4 == FORMATS[1][0]
    assert (
        len(payload_of(link(servers=(least.model_copy(update={"ports": Ports.run(1, 2)}),)).to_text())) + 4
        == FORMATS[2][0]
    )
    for wrong in ({"servers": ()}, {"servers": (one,) * 9}, {"label": "x" * 65}, {"label": "\x1b[2J"}):
        with pytest.raises(ConfigError):
            ShareLink.build(**{**dict(link()), **wrong})
    for field in ({"ports": Ports.one(0)}, {"public_key": bytes(31)}, {"host": "a b"}, {"psk": bytes(31)}):
        with pytest.raises(ConfigError):
            ServerEntry.build(**{**dict(one), **field})
