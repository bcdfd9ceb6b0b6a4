import argparse
from collections.abc import Sequence

import pytest

from bench import places, prepare
from bench.load import LoadProgram
from bench.options import QUICK_WAN_CELLS, WAN_CELLS, parser
from bench.prepare import prepare_clean, prepare_wan
from bench.programs import BenchError
from bench.subjects import CARRIERS, SESSIONS
from bench.wire_settings import CellError


def options(*words: str) -> argparse.Namespace:
    return parser().parse_args(words)


def test_a_clean_run_has_every_row_and_every_subject_installed_or_not(load: LoadProgram) -> None:
    run = prepare_clean(options("--rounds", "3"), load).run
    assert run.kind == "clean"
    assert len(run.rows) == 11
    assert [one.key for one in run.subjects][:4] == ["direct", "relay", "relay-threads", "ginnel"]
    assert len(run.subjects) == 11 + len(SESSIONS) + len(CARRIERS) * (1 + len(SESSIONS))
    assert run.options["rounds"] == 3
    assert not run.finished
    assert not run.samples


def test_what_is_named_is_taken_in_its_usual_order(load: LoadProgram) -> None:
    run = prepare_clean(
        options("--subjects", "relay,direct", "--rows", "up-1,down-1", "--seconds", "2"), load
    ).run
    assert [one.key for one in run.subjects] == ["direct", "relay"]
    assert [row.key for row in run.rows] == ["down-1", "up-1"]
    assert run.options["seconds"] == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--subjects", "relais"], "no subject is called relais; there are direct, relay"),
        (["--rows", "down-9"], "no row is called down-9; there are down-1"),
    ],
)
def test_a_name_that_nobody_has_is_told(load: LoadProgram, words: Sequence[str], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        prepare_clean(options(*words), load)


def test_the_place_is_the_best_that_can_be_had(load: LoadProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "why_no_namespaces", lambda: None)
    assert prepare_clean(options(), load).run.place == "network namespaces"
    assert prepare_clean(options("--loopback"), load).run.place == "loopback"
    monkeypatch.setattr(places, "why_no_namespaces", lambda: "not root")
    assert prepare_clean(options(), load).run.place == "loopback"


def test_offloads_can_be_switched_off_where_the_wire_is_ours(
    load: LoadProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "why_no_namespaces", lambda: None)
    monkeypatch.setattr(prepare, "find", lambda name: name)
    off = options("--offload", "off")
    assert prepare_clean(off, load).run.place == "network namespaces, offloads off"
    with pytest.raises(BenchError, match="--loopback was asked for"):
        prepare_clean(options("--offload", "off", "--loopback"), load)
    monkeypatch.setattr(prepare, "find", lambda name: None)
    with pytest.raises(BenchError, match="ethtool not installed"):
        prepare_clean(off, load)
    monkeypatch.setattr(places, "why_no_namespaces", lambda: "not root")
    with pytest.raises(BenchError, match="not root"):
        prepare_clean(off, load)


def test_the_more_there_is_to_do_the_shorter_each_is(load: LoadProgram) -> None:
    few = prepare_clean(options("--subjects", "direct"), load).run.options["seconds"]
    many = prepare_clean(options("--rounds", "30"), load).run.options["seconds"]
    quick = prepare_clean(options("--quick"), load).run.options
    assert many < few
    assert quick["rounds"] == 2


def test_a_laboratory_has_its_wires_as_rows(load: LoadProgram) -> None:
    run = prepare_wan(options("--wan", "--rate", "50"), load).run
    assert [row.key for row in run.rows] == [f"{cell.replace('/', 'ms-')}%" for cell in WAN_CELLS]
    assert all("50 Mbit/s" in row.title for row in run.rows)
    assert len(prepare_wan(options("--quick"), load).run.rows) == len(QUICK_WAN_CELLS)


def test_cells_are_those_that_are_given_each_once(load: LoadProgram) -> None:
    run = prepare_wan(options("--cell", "10/0", "--cell", "20/2", "--cell", "10/0"), load).run
    assert [row.key for row in run.rows] == ["10ms-0%", "20ms-2%"]
    with pytest.raises(CellError):
        prepare_wan(options("--cell", "x"), load)


def test_a_subject_that_takes_no_part_has_its_reason(
    load: LoadProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("bench.subjects.base.SYSTEM_PATHS", "/nowhere")
    run = prepare_clean(options("--subjects", "direct,rusnel"), load).run
    assert [(one.key, one.missing) for one in run.subjects] == [
        ("direct", None),
        ("rusnel", "rusnel not installed"),
    ]


def test_the_bar_goes_also_when_the_run_is_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), prepare.progress(2) as bar:
        bar.begin("x")
        raise KeyboardInterrupt
    assert capsys.readouterr().err == ""
