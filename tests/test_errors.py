"""The exception tree: what can be caught by which name, and what it carries."""

import errno
import os
import pickle
import re
import socket
import sys

import pytest

from ginnel import errors
from ginnel.errors import (
    ConfigError,
    EngineError,
    GinnelError,
    HostUnreachable,
    LimitReached,
    LinkDown,
    ListenError,
    NameUnknown,
    NetworkUnreachable,
    NoAnswer,
    ShareLinkError,
    StreamReset,
    TargetNotAllowed,
    TargetRefused,
    TargetTimedOut,
    from_engine,
    listen_error,
)


def classes() -> list[type[GinnelError]]:
    return [
        value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, GinnelError)
    ]


@pytest.mark.parametrize(
    ("error", "also"),
    [
        (ConfigError, ValueError),
        (ShareLinkError, ValueError),
        (NoAnswer, TimeoutError),
        (NoAnswer, ConnectionError),
        (LinkDown, ConnectionError),
        (TargetRefused, ConnectionRefusedError),
        (HostUnreachable, OSError),
        (NameUnknown, socket.gaierror),
        (TargetTimedOut, TimeoutError),
        (NetworkUnreachable, OSError),
        (TargetNotAllowed, PermissionError),
        (StreamReset, ConnectionResetError),
        (ListenError, OSError),
    ],
)
def test_errors_are_what_people_already_catch(error: type[GinnelError], also: type[Exception]) -> None:
    assert issubclass(error, also)


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    assert errors.__doc__ is not None
    parents: list[str] = []
    drawn = {}
    for line in errors.__doc__.splitlines():
        match = re.match(r"    ([│├└─ ]*)([A-Z]\w+)", line)
        if match is None:
            continue
        depth = len(match[1]) // 4
        parents[depth:] = [match[2]]
        drawn[match[2]] = parents[depth - 1] if depth else "Exception"
    assert drawn == {cls.__name__: cls.__bases__[0].__name__ for cls in classes()}


@pytest.mark.parametrize("cls", classes())
def test_every_error_has_message_hint_and_survives_pickling(cls: type[GinnelError]) -> None:
    error = cls("what is wrong", hint="what would be right")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (str(again), again.hint, type(again)) == ("what is wrong", "what would be right", cls)


def test_a_fact_that_is_not_declared_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="pear"):
        NoAnswer("no answer", pear="192.0.2.1:5")


def test_no_answer_says_where_how_long_and_what_to_check() -> None:
    error = from_engine("no_answer", "timeout", {"peer": "203.0.113.7:38411", "seconds": 10.0})
    assert isinstance(error, NoAnswer)
    assert str(error) == "no answer from 203.0.113.7:38411 in 10 s"
    assert (error.peer, error.seconds) == ("203.0.113.7:38411", 10.0)
    assert "UDP is blocked" in error.hint


@pytest.mark.parametrize(
    ("kind", "cls", "number"),
    [
        ("target_refused", TargetRefused, errno.ECONNREFUSED),
        ("host_unreachable", HostUnreachable, errno.EHOSTUNREACH),
        ("name_unknown", NameUnknown, socket.EAI_NONAME),
        ("timed_out", TargetTimedOut, errno.ETIMEDOUT),
        ("network_unreachable", NetworkUnreachable, errno.ENETUNREACH),
        ("not_allowed", TargetNotAllowed, errno.EACCES),
    ],
)
def test_target_errors_name_the_target(kind: str, cls: type[errors.TargetError], number: int) -> None:
    error = from_engine(kind, "the engine's words", {"host": "example.org", "port": 80})
    assert type(error) is cls
    assert isinstance(error, errors.TargetError)
    assert (error.host, error.port, error.errno) == ("example.org", 80, number)
    assert "example.org" in str(error)


@pytest.mark.parametrize(
    ("kind", "cls"),
    [
        ("link_down", LinkDown),
        ("limit", LimitReached),
        ("closed", errors.ClosedError),
        ("failed", EngineError),
        ("of_a_newer_engine", EngineError),
    ],
)
def test_the_other_kinds_keep_the_engines_words(kind: str, cls: type[GinnelError]) -> None:
    error = from_engine(kind, "in its own words", {"unheard_of": 1, "with_traceback": 2, "errno": 3})
    assert type(error) is cls
    assert str(error) == "in its own words"
    assert not hasattr(error, "unheard_of")
    assert callable(error.with_traceback)


def test_facts_that_are_missing_or_odd_leave_the_engines_message() -> None:
    assert str(from_engine("no_answer", "silence", {})) == "silence"
    assert str(from_engine("no_answer", "silence", {"peer": "a", "seconds": None})) == "silence"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EADDRINUSE, "127.0.0.1:1080 is in use by another program"),
        (errno.EACCES, "127.0.0.1:1080 may not be bound by this user"),
        (errno.EADDRNOTAVAIL, "127.0.0.1:1080 is not an address of this machine"),
        (errno.ENOBUFS, "127.0.0.1:1080 cannot be bound: No buffer space available"),
        (None, "127.0.0.1:1080 cannot be bound: for a reason the system does not name"),
    ],
)
def test_listen_errors_say_why(number: int | None, words: str) -> None:
    error = listen_error("127.0.0.1:1080", number)
    assert str(error) == words
    assert error.errno == number
    facts: dict[str, object] = {"address": "127.0.0.1:1080", "errno": number}
    assert str(from_engine("listen", "", facts)) == words


def test_an_ipv6_target_stands_in_brackets() -> None:
    error = from_engine("target_refused", "", {"host": "2001:db8::1", "port": 80})
    assert str(error) == "[2001:db8::1]:80 refused the connection"
    assert isinstance(error, TargetRefused)
    assert error.host == "2001:db8::1"


@pytest.mark.parametrize("executable", [sys.executable, "", None])
def test_a_missing_right_says_how_to_give_it_to_this_program(
    monkeypatch: pytest.MonkeyPatch, executable: str | None
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    for error in (errors.rights_error(), from_engine("rawtcp_rights", "no right", {})):
        assert isinstance(error, errors.RightsError)
        assert isinstance(error, PermissionError)
        assert (str(error), error.errno) == (
            "raw TCP needs the right to open packet sockets (CAP_NET_RAW)",
            errno.EPERM,
        )
        program = os.path.realpath(executable) if executable else '"$(readlink -f "$(which python3)")"'
        assert error.hint.splitlines()[:2] == [
            f"sudo setcap cap_net_raw,cap_net_bind_service+ep {program}",
            "Or in the unit of a systemd service:  AmbientCapabilities=CAP_NET_RAW CAP_NET_BIND_SERVICE",
        ]


def test_no_answer_says_what_may_be_blocked() -> None:
    assert "wrong, raw TCP is blocked on the way, or" in errors.no_answer_hint(["rawtcp"])
    assert "wrong, UDP and raw TCP are blocked on the way, or" in errors.no_answer_hint(["udp", "rawtcp"])
