"""The profile: how it is drawn, and what it cannot be."""

import random
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ginnel.config.profile import FIELDS, PRESETS, Preset, Profile, ProfileConfig
from ginnel.config.secret import Secret
from ginnel.config.values import ClientConfig
from ginnel.errors import ConfigError
from tests.config.test_values import LINK

SEEDS = st.integers(0, 2**64)


def drawn(preset: Preset, seed: int) -> Profile:
    return Profile.draw(preset, random.Random(seed))


@given(SEEDS)
def test_balanced_is_what_it_promises(seed: int) -> None:
    profile = drawn("balanced", seed)
    assert profile.preset == "balanced"
    assert profile.junk_count[0] >= 1
    assert profile.junk_count[1] <= 4
    assert profile.junk_spacing[1] <= 3
    assert profile.request_size[1] - profile.request_size[0] >= 200
    assert 18 <= profile.burst_packets[0] <= profile.burst_packets[1] <= 34
    assert 200 <= profile.burst_padding[1] <= 500
    assert 100 <= profile.burst_cut[1] <= 400
    assert 40 <= profile.small_padding[1] <= 120
    assert 24 <= profile.control_padding[0] < profile.control_padding[1] <= 119
    assert 30 <= profile.segment_cut[1] <= 70


@given(SEEDS)
def test_light_costs_little(seed: int) -> None:
    profile = drawn("light", seed)
    assert profile.preset == "light"
    # A junk datagram goes first all the same.
    assert profile.junk_count in ((1, 1), (1, 2))
    assert profile.request_size[1] - profile.request_size[0] >= 200
    assert 3 <= profile.burst_packets[0] <= profile.burst_packets[1] <= 8
    assert 100 <= profile.burst_padding[1] <= 300
    assert 40 <= profile.burst_cut[1] <= 150
    assert 12 <= profile.segment_cut[1] <= 30
    assert profile.small_padding[1] <= 32


@pytest.mark.parametrize("preset", PRESETS)
def test_no_two_look_alike(preset: Preset) -> None:
    profiles = [Profile.fresh(preset) for _ in range(200)]
    assert len(set(profiles)) == 200
    for name, field in FIELDS.items():
        fixed = all(low == high for low, high in field.drawn[preset])
        assert fixed or len({getattr(profile, name) for profile in profiles}) > 1, name


def test_a_derived_one_is_always_the_same_and_another_for_each_secret_and_preset() -> None:
    one, other = Secret(bytes(32)), Secret(bytes([1] * 32))
    assert Profile.derive(one) == Profile.derive(one, "balanced")
    assert len({Profile.derive(psk, preset) for psk in (one, other) for preset in PRESETS}) == 4
    # The text of its drawing is a promise: a client shapes alike after an update.
    assert Profile.derive(one).pairs() == DERIVED


@pytest.mark.parametrize("name", FIELDS)
def test_each_field_at_its_bounds_is_taken_and_beyond_is_not(name: str) -> None:
    kind = FIELDS[name].kind
    assert getattr(ProfileConfig.build(**{name: (kind.low, kind.high)}), name) == (kind.low, kind.high)
    for bad in ((kind.low, kind.high + 1), (kind.low - 1, kind.high), (kind.high + 1, kind.high + 1)):
        with pytest.raises(ConfigError) as caught:
            ProfileConfig.build(**{name: bad})
        assert str(caught.value) == f"profile.{name} = [{bad[0]}, {bad[1]}] is out of range"
        assert caught.value.hint == f"Allowed: {kind.low} to {kind.high}. Both numbers."
    with pytest.raises(ConfigError, match=f"profile.{name} = .* is the wrong way round"):
        ProfileConfig.build(**{name: (kind.high, kind.low)})


@pytest.mark.parametrize(
    ("text", "pair"),
    [("1-3", (1, 3)), ("1 3", (1, 3)), ("1, 3", (1, 3)), (" [1, 3] ", (1, 3)), ("2 - 2", (2, 2))],
)
def test_pairs_in_flags(text: str, pair: tuple[int, int]) -> None:
    assert FIELDS["junk_count"].kind.read_text(text, "x") == pair


@pytest.mark.parametrize("text", ["", "1", "1-2-3", "-1-3", "a-b", "1..3", "١-٣"])
def test_what_is_no_pair(text: str) -> None:
    with pytest.raises(ConfigError, match="x is not a pair of whole numbers") as caught:
        FIELDS["junk_count"].kind.read_text(text, "x")
    assert "Allowed: 0 to 16." in caught.value.hint


def test_its_table_is_read_again() -> None:
    profile = Profile.fresh("balanced")
    table = tomllib.loads(profile.to_toml())["profile"]
    again = {name: value if name == "preset" else tuple(value) for name, value in table.items()}
    assert Profile.build(**again) == profile


def test_fields_of_a_person_go_over_those_that_were_drawn() -> None:
    profile = Profile.fresh("balanced")
    changed = ProfileConfig(junk_count=(0, 0)).over(profile)
    assert changed.pairs() == {**profile.pairs(), "junk_count": (0, 0)}
    assert ProfileConfig().over(profile) == profile
    assert ProfileConfig(preset="light").wants_another(profile)
    assert not ProfileConfig(preset="balanced").wants_another(profile)
    assert not ProfileConfig().wants_another(profile)


def test_a_name_stands_for_a_preset() -> None:
    assert ProfileConfig.of("light") == ProfileConfig(preset="light")
    assert ProfileConfig.of(None) == ProfileConfig()
    with pytest.raises(ConfigError, match="profile = 'heavy' is no preset"):
        ProfileConfig.of("heavy")  # type: ignore[arg-type]  # what a program may hand in


def client(link_profile: Profile | None, **settings: Any) -> Profile:
    link = LINK.model_copy(update={"profile": link_profile})
    return ClientConfig.build(link=link, profile=ProfileConfig(**settings)).own_profile()


def test_a_client_is_shaped_as_its_link_says_unless_it_is_told_otherwise() -> None:
    psk, carried = LINK.servers[0].psk, Profile.fresh("light")
    assert client(carried) == carried
    assert client(carried, preset="light") == carried
    assert client(carried, preset="balanced") == Profile.derive(psk, "balanced")
    # An old link carries none.
    assert client(None) == Profile.derive(psk)
    assert client(None, preset="light") == Profile.derive(psk, "light")
    assert client(carried, junk_count=(2, 5)).pairs() == {**carried.pairs(), "junk_count": (2, 5)}


DERIVED = {
    "junk_count": (1, 3),
    "junk_size": (58, 944),
    "junk_spacing": (0, 3),
    "request_size": (587, 1085),
    "burst_packets": (21, 30),
    "burst_padding": (28, 473),
    "burst_cut": (4, 254),
    "small_padding": (7, 77),
    "control_padding": (27, 112),
    "segment_cut": (4, 49),
    "printable": (7, 29),
}
