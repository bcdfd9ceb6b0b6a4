"""The golden vectors of section 18: parameters, segments and frames, made again and read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from . import kcp_segments
from .kcp_frames import Frame, coded, update
from .kcp_parameters import Parameters
from .kcp_segments import Segment, split

FILE = Path(__file__).parents[2] / "crates/proto/tests/vectors/kcp.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text())

Case = dict[str, Any]


def test_no_section_is_left_out() -> None:
    assert set(VECTORS) - {"about"} == {"parameters", "segments", "frames"}


@pytest.mark.parametrize("case", VECTORS["parameters"])
def test_parameters(case: Case) -> None:
    made = Parameters(case["lanes"], case["streams"], case["stream_window"], case["extended"])
    assert made.to_bytes().hex() == case["bytes"]
    assert Parameters.parse(bytes.fromhex(case["bytes"])) == made


@pytest.mark.parametrize("case", VECTORS["segments"], ids=lambda case: case["segment"])
def test_segments(case: Case) -> None:
    command = getattr(kcp_segments, case["segment"])
    made = Segment(
        case["conv"], command, case["sn"], case["ts"], case["una"], case["wnd"], bytes.fromhex(case["data"])
    )
    assert made.to_bytes().hex() == case["bytes"]
    assert split(bytes.fromhex(case["bytes"])) == [made]


@pytest.mark.parametrize("case", VECTORS["frames"], ids=lambda case: case["frame"])
def test_frames(case: Case) -> None:
    name, facts, data = case["frame"], case["facts"], bytes.fromhex(case["bytes"])
    stream = facts["stream"]
    if name == "UPD":
        made = update(stream, facts["consumed"], facts["window"])
    elif name == "PSH":
        made = Frame(name, stream, bytes(facts["length"]))
    elif name in ("RST", "STP", "GRT"):
        made = coded(name, stream, facts.get("code", facts.get("streams")))
    else:
        made = Frame(name, stream)
    assert made.to_bytes()[: len(data)] == data
