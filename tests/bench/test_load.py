from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench import load as module
from bench.load import LoadProgram, LoadResult, WireCounts, Work
from bench.places import Ends
from bench.programs import BenchError

Fault = Callable[[str], None]
DOWN = Work("down", 2)


def test_a_run_is_read_and_kept_as_it_was_said(load: LoadProgram, ends: Ends) -> None:
    with load.origin(ends.server) as target:
        result, raw = load.run(ends.client, "direct", target, DOWN, 0.5, 0.1, [11, 22])
    assert (result.work, result.connections, result.bytes, result.seconds) == ("down", 2, 2_000_000, 0.5)
    assert result.cpu_seconds == {"11": 0.01, "22": 0.01}
    assert result.beside is not None
    assert result.beside.p99 is None
    assert raw["first_error"] is None, "also what is not known here"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("not json", "answer is not understood: Invalid JSON"),
        ("missing key", "answer is not understood: bytes: Field required"),
        ("negative", "answer is not understood: bytes: Input should be greater"),
        ("fail", "the load program failed; it ended with 1: ginnel-load: all has failed"),
    ],
)
def test_a_run_that_fails_says_why(
    load: LoadProgram, ends: Ends, fault: Fault, wrong: str, words: str
) -> None:
    with load.origin(ends.server) as target:
        fault(wrong)
        with pytest.raises(BenchError, match=words):
            load.run(ends.client, "direct", target, DOWN, 0.5)


def test_a_run_that_hangs_is_killed(
    load: LoadProgram, ends: Ends, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.5)
    with load.origin(ends.server) as target:
        fault("hang")
        with pytest.raises(BenchError, match="the load program did not end within 1 s"):
            load.run(ends.client, "direct", target, DOWN, 0.05)


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"work": 1}', "{'work': 1}"])
def test_what_is_no_result_is_refused(text: str) -> None:
    with pytest.raises(BenchError, match="not understood"):
        LoadResult.parse(text)


def test_the_wire_says_what_it_counted() -> None:
    one = '{"packets_in":9,"bytes_in":90,"lost":2,"overflowed":1,"packets_out":4,"bytes_out":40}'
    assert WireCounts.parse(f'{{"there":{one},"back":{one}}}').back.under_way == 2
    with pytest.raises(BenchError, match=r"back\.lost"):
        WireCounts.parse(f'{{"there":{one},"back":{one.replace("2", "-2")}}}')


def test_idle_connections_are_held_and_let_go(load: LoadProgram, ends: Ends, fault: Fault) -> None:
    with load.origin(ends.server) as target:
        with load.held(ends.client, "direct", target, 7) as count:
            assert count == 7
        fault("held none")
        with pytest.raises(BenchError, match="held none of 7"), load.held(ends.client, "direct", target, 7):
            pytest.fail("there is nothing to hold")


def test_a_relay_is_told_where_to_and_with_how_many_threads(load: LoadProgram, ends: Ends) -> None:
    with (
        load.relay(ends.server, "127.0.0.1", threads=2) as (far, address),
        load.relay(ends.client, "127.0.0.1", to=address) as (near, socks),
    ):
        result, _ = load.run(ends.client, f"socks5://{socks}", address, DOWN, 0.5, pids=[far.pid, near.pid])
    assert result.via == f"socks5://{socks}"
    assert not far.alive
    assert not near.alive


@pytest.mark.parametrize("wrong", ["no address of the origin", "short origin"])
def test_an_origin_that_does_not_work_is_told(
    load: LoadProgram, ends: Ends, fault: Fault, wrong: str
) -> None:
    fault(wrong)
    if wrong.startswith("no"):
        with pytest.raises(BenchError, match="listening nowhere"), load.origin(ends.server):
            pytest.fail("it has no address")
    else:
        with load.origin(ends.server) as target, pytest.raises(BenchError, match="it ended with 1"):
            load.run(ends.client, "direct", target, DOWN, 0.5)


def test_allocations_are_read(load: LoadProgram, ends: Ends, fault: Fault) -> None:
    counted = load.allocations(ends.server, "127.0.0.1:1", "requests", 100, 4)
    assert (counted.allocations_per_unit, counted.bytes_per_unit) == (3.5, 2048)
    fault("not json")
    with pytest.raises(BenchError, match="not understood"):
        load.allocations(ends.server, "127.0.0.1:1", "requests", 100, 4)


def test_the_load_program_is_where_make_puts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARGO_TARGET_DIR", "/elsewhere")
    assert module.default_path() == Path("/elsewhere/release/ginnel-load")
    monkeypatch.delenv("CARGO_TARGET_DIR")
    assert module.default_path() == Path("target/release/ginnel-load")


def test_a_load_program_that_is_not_there_is_named(load: LoadProgram, ends: Ends, tmp_path: Path) -> None:
    absent = replace(load, path=tmp_path / "absent")
    with pytest.raises(BenchError, match="absent"), absent.origin(ends.server):
        pytest.fail("nobody is there")
