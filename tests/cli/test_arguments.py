"""Arguments that several commands share."""

import pytest

from ginnel.cli._arguments import Parser, add_drain, add_link, add_quiet, add_set
from ginnel.errors import ConfigError


@pytest.fixture
def parser() -> Parser:
    """A parser with everything."""
    parser = Parser("try", "Try it.", [("ginnel try", "once"), ("ginnel try -q", "twice")])
    add_link(parser)
    add_drain(parser)
    add_quiet(parser)
    add_set(parser)
    parser.add_argument("-D", action="append")
    return parser


@pytest.mark.parametrize(
    ("arguments", "link"),
    [
        ([], []),
        (["a"], ["a"]),
        (["a", "-D", "1"], ["a"]),
        (["-D", "1", "a"], ["a"]),
        (["-q", "a", "b", "-D", "1"], ["a", "b"]),
        (["-"], ["-"]),
    ],
)
def test_the_link_may_stand_anywhere_and_in_pieces(
    parser: Parser, arguments: list[str], link: list[str]
) -> None:
    assert parser.parse(arguments).link == link


def test_settings_may_be_given_several_times(parser: Parser) -> None:
    assert parser.parse([]).set == []
    assert parser.parse(["--set", "a=1", "--set=b.c=2"]).set == ["a=1", "b.c=2"]
    assert parser.parse([]).drain is None


@pytest.mark.parametrize("arguments", [["-q", "a", "-D", "1", "SECRETPIECE"], ["--qiet=SECRETPIECE"]])
def test_what_is_too_much_is_not_repeated(parser: Parser, arguments: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parser.parse(arguments)
    assert "SECRETPIECE" not in str(caught.value)
    assert caught.value.hint == "See:  ginnel try --help"


def test_options_are_not_guessed_from_their_beginning(parser: Parser) -> None:
    with pytest.raises(ConfigError, match=r"unknown option '--qui'\. Did you mean '--quiet'\?"):
        parser.parse(["--qui"])


def test_examples_stand_at_the_end_in_columns(parser: Parser) -> None:
    assert parser.format_help().endswith("examples:\n  ginnel try      once\n  ginnel try -q   twice\n")
