"""The log of a command: options, levels, and each record as one line."""

import argparse
import json
import logging
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from ginnel.api.events import LinkRetry, LinkUp, pass_on
from ginnel.cli._arguments import Parser
from ginnel.cli._events import event_lines
from ginnel.cli._log import LogHandler, add_log, all_levels, install, log_config
from ginnel.cli._terminal import Terminal
from ginnel.errors import ConfigError, GinnelError
from tests.cli.program import running

UP = {"link": "0-1", "peer": "a:1", "rtt": 0.041, "session": "quic", "carrier": "udp"}


def parse(*arguments: str) -> argparse.Namespace:
    parser = Parser("test", "a test", [("ginnel test", "tests")])
    add_log(parser)
    return parser.parse(arguments)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return re.sub(r"\d\d:\d\d:\d\d", "TIME", capsys.readouterr().err)


def objects(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_the_options() -> None:
    assert all_levels(log_config(parse())) == {"": "info"}
    config = log_config(parse("--log-level", "DEBUG", "--log-level", "link=off", "--log-format", "json"))
    assert all_levels(config) == {"": "debug", "link": "off"}
    assert config.format == "json"
    assert config.engine_levels() == {"": "debug", "link": "off"}


def test_quiet_leaves_errors_unless_a_level_is_given() -> None:
    assert log_config(parse(), quiet=True).level == "error"
    assert log_config(parse("--log-level", "debug"), quiet=True).level == "debug"
    assert all_levels(log_config(parse("--log-level", "link=info"), quiet=True)) == {
        "": "error",
        "link": "info",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--log-level", "debig"], "--log-level debig: unknown level 'debig'. Did you mean 'debug'?"),
        (["--log-level", "lnik=debug"], "--log-level lnik=debug: unknown area 'lnik'. Did you mean 'link'?"),
        (["--log-level", "link="], "--log-level link=: unknown level ''."),
        (["--log-level", "=info"], "--log-level =info: unknown area ''."),
        (["--log-format", "jsno"], "--log-format: unknown format 'jsno'. Did you mean 'json'?"),
    ],
)
def test_what_there_is_not_is_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        log_config(parse(*arguments))
    assert str(caught.value).startswith(message)
    assert caught.value.hint.startswith("Known: ")
    assert caught.value.setting == arguments[0]


def test_records_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    install({"": "warning", "stream": "debug"}, "text", Terminal())
    logging.getLogger("ginnel.link").info("not shown")
    logging.getLogger("ginnel.link").warning("datagrams %s", "dropped", extra={"facts": {"total": 1000}})
    logging.getLogger("ginnel.stream").debug(
        "stream\nended", extra={"facts": {"link": "3-1", "how": "so so"}}
    )
    logging.getLogger("asyncio").warning("slow")
    assert said(capsys) == (
        "  TIME  warning    link: datagrams dropped  total=1000\n"
        '  TIME  debug      stream: stream\\nended  link=3-1 how="so so"\n'
        "  TIME  warning    asyncio: slow\n"
    )


def test_records_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    install({"stream": "trace"}, "json", Terminal())
    logging.getLogger("ginnel.stream").log(5, "stream ended", extra={"facts": {"link": "3-1", "stream": 4}})
    try:
        raise ValueError("a secret")
    except ValueError:
        logging.getLogger("ginnel.users").exception("the change\nfailed")
    trace, failed = objects(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", trace.pop("time"))
    facts = {"link": "3-1", "stream": 4}
    assert trace == {"level": "trace", "area": "stream", "message": "stream ended", "facts": facts}
    assert (failed["level"], failed["area"], failed["message"]) == ("error", "users", "the change\nfailed")
    assert failed["facts"]["error"] == "ValueError"
    assert "test_log.py:" in failed["facts"]["at"]
    assert "a secret" not in json.dumps(failed)


def test_off_is_off(capsys: pytest.CaptureFixture[str]) -> None:
    install({"": "off", "link": "error"}, "text", Terminal())
    logging.getLogger("ginnel.users").critical("not shown")
    logging.getLogger("ginnel.link").error("shown")
    assert said(capsys) == "  TIME  error      link: shown\n"


def test_the_next_installation_takes_the_place_of_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    install({"link": "debug"}, "json", Terminal())
    install({}, "text", Terminal())
    logging.getLogger("ginnel.link").debug("not shown")
    logging.getLogger("ginnel.link").info("once")
    assert said(capsys) == "  TIME  info       link: once\n"


@pytest.mark.parametrize("form", ["text", "json"])
def test_each_event_appears_once(form: Any, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    install({}, form, terminal)
    pass_on("link_up", UP, event_lines(terminal, pytest.fail))
    err = capsys.readouterr().err
    if form == "text":
        assert re.fullmatch(r"  \d\d:\d\d:\d\d  link up    a:1 · 41 ms · quic over udp\n", err)
    else:
        shown = json.loads(err)
        assert shown["message"] == "link up"
        assert shown["facts"] == {"event": "link_up", **UP}


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_level_of_an_area_holds_for_its_events(form: Any, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    install({"link": "warning"}, form, terminal)
    seen: list[object] = []
    lines = event_lines(terminal, pytest.fail)

    def handle(event: Any) -> None:
        seen.append(event)
        lines(event)

    pass_on("link_up", UP, handle)
    pass_on("link_retry", {"peer": "a:1", "seconds": 2.0}, handle)
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "retry" in err
    # Handlers get every event all the same.
    assert [type(event) for event in seen] == [LinkUp, LinkRetry]


def test_an_event_is_one_line_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    install({}, "text", terminal)
    pass_on("link_down", {"peer": "a:1", "reason": "it\nsays\x1b[2J so"}, event_lines(terminal, pytest.fail))
    assert said(capsys) == "  TIME  link lost  a:1: it\\nsays\\x1b[2J so\n"


def test_a_record_that_cannot_be_shown_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    handler = LogHandler("text", Terminal())
    handler.handle(logging.LogRecord("ginnel.link", logging.INFO, "", 0, "%d", ("no number",), None))
    assert said(capsys) == "a log record of ginnel.link cannot be shown\n"


def test_what_the_command_says_itself_is_json_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    install({}, "json", terminal)
    terminal.title("ginnel")
    terminal.fact("user", "default")
    terminal.note("serving", listening="a:1")
    terminal.warn("careful")
    terminal.event("stopping", "")
    # As the program tells what it ends with.
    Terminal().error(GinnelError("wrong", hint="do this\nthen that"))
    Terminal(quiet=True).event("stopping", "")
    shown = [(line["level"], line["area"], line["message"], line["facts"]) for line in objects(capsys)]
    assert shown == [
        ("info", "program", "serving", {"listening": "a:1"}),
        ("warning", "program", "careful", {}),
        ("info", "program", "stopping", {}),
        ("error", "program", "wrong", {"hint": "do this\nthen that"}),
    ]


def test_a_server_whose_standard_error_is_json_throughout(tmp_path: Path) -> None:
    arguments = ["--state", str(tmp_path / "state"), "--log-format", "json", "--log-level", "link=debug"]
    with running(tmp_path, "server", *arguments) as server:
        link = server.out.readline().strip()
        server.signal(signal.SIGTERM)
        code, _, err = server.end()
    assert code == 0
    assert [json.loads(line)["message"] for line in err.splitlines()] == ["serving", "stopping"]
    assert link.removeprefix("ginnel://") not in err


def test_an_error_of_the_start_is_json_as_well(tmp_path: Path) -> None:
    arguments = ["--state", str(tmp_path / "state"), "--log-format", "json", "--listen", "4433"]
    with running(tmp_path, "server", *arguments, FAKE_BUSY="4433") as server:
        code, _, err = server.end()
    assert code == 1
    shown = json.loads(err)
    assert (shown["level"], shown["area"]) == ("error", "program")
    assert "4433" in shown["message"]


@pytest.mark.timeout(60)
def test_a_standard_error_that_nobody_reads_ends_and_holds_up_nothing(tmp_path: Path) -> None:
    with running(tmp_path, "server", "--state", str(tmp_path / "state")) as server:
        server.out.readline()
        server.err.close()
        server.signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
