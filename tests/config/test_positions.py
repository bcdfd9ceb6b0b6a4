"""On which line each key stands: examples by hand, and documents made at random."""

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ginnel.config.positions import Place, find_lines

DOCUMENT = '''\
# role = "comment"
role = "server"   # listen = 1
a.b . "c d" = """
listen = 2
[table]
"" \\""" x
"""
'e' = \'\'\'
listen = 3\'\'\'
listen = 4

[ log . "areas" ]
link = "#["
[limits]
list = [ 1, # ]
  "]", { x = 1, y = [ 2,
  3 ] },
]
last = 1979-05-27T07:32:00Z
[[socks5]]
listen = 1
[[socks5]]
[socks5.inner]
x = +1e3
[[socks5.many]]
[[socks5.many]]
y = {}
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("role",), 2),
        (("a", "b", "c d"), 3),
        (("e",), 8),
        (("listen",), 10),
        (("log", "areas"), 12),
        (("log", "areas", "link"), 13),
        (("limits", "list", 1), 16),
        (("limits", "list", 2, "y"), 16),
        (("limits", "list", 2, "y", 1), 17),
        (("limits", "last"), 19),
        (("socks5",), 20),
        (("socks5", 0, "listen"), 21),
        (("socks5", 1), 22),
        (("socks5", 1, "inner", "x"), 24),
        (("socks5", 1, "many", 0), 25),
        (("socks5", 1, "many", 1, "y"), 27),
    ],
)
def test_a_document_by_hand(place: Place, line: int) -> None:
    assert find_lines(DOCUMENT)[place] == line


def places(tree: Any, path: Place = ()) -> Iterator[Place]:
    """Every table, key and element in what tomllib read."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for name, value in pairs:
        yield (*path, name)
        yield from places(value, (*path, name))


def test_the_document_by_hand_has_no_other_places() -> None:
    assert set(find_lines(DOCUMENT)) == set(places(tomllib.loads(DOCUMENT)))


BLANKS = st.sampled_from(["", " ", "\t "])
BREAKS = st.sampled_from(["", " ", "\n", " # ] } = [x]\n", "\n\n"])
SCALARS = st.sampled_from(
    [
        "1",
        "-0.5",
        "true",
        "07:32:00",
        "0x1F",
        '"a = 1 # [t] \\" ,]}"',
        "'\\'",
        '""',
        "''",
        '"""\nk0 = 1\n[t0]\n"" \\"""\n"""',
        '"""a""""',
        '"""a"""""',
        "'''\nk1 = 2 # '' \n'''",
        "'''a'''''",
    ]
)


def lists(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Arrays, over several lines or not."""
    elements = st.lists(st.tuples(BREAKS, values, BREAKS), max_size=3)
    return st.builds(
        lambda parts, comma, end: f"[{','.join(map(''.join, parts))}{comma if parts else ''}{end}]",
        elements,
        st.sampled_from(["", ","]),
        BREAKS,
    )


def tables(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Inline tables."""
    return st.lists(st.tuples(BLANKS, values), max_size=3).map(
        lambda pairs: (
            "{" + ", ".join(f"{blank}i{n} ={value}" for n, (blank, value) in enumerate(pairs)) + " }"
        )
    )


VALUES = st.recursive(SCALARS, lambda values: lists(values) | tables(values), max_leaves=6)
STATEMENTS = st.tuples(
    st.sampled_from(["key", "dotted", "quoted", "table", "deep", "array", "in array", "comment"]),
    BLANKS,
    VALUES,
)


@given(st.lists(STATEMENTS, max_size=12), st.sampled_from(["", "\n"]))
def test_documents_made_at_random(statements: list[tuple[str, str, str]], end: str) -> None:
    text = ""
    table: Place = ()
    last = -1  # index in the array of tables
    expected: dict[Place, int] = {}
    for n, (kind, blank, value) in enumerate(statements):
        if kind in ("key", "dotted", "quoted"):
            names = {"key": (f"k{n}",), "dotted": (f"d{n}", "x"), "quoted": (f"q {n}.",)}[kind]
            key = {"key": f"k{n}", "dotted": f'd{n}{blank}.{blank}"x"', "quoted": f'"q {n}."'}[kind]
            expected[(*table, *names)] = text.count("\n") + 1
            text += f"{blank}{key}{blank}={blank}{value}{blank}# [c]\n"
            continue
        if kind == "comment":
            text += f"{blank}# k{n} = 1\n\n"
            continue
        if kind == "array":
            last += 1
            table = ("many", last)
            text += "[[many]]\n"
        elif kind == "in array" and last >= 0:
            table = ("many", last, f"s{n}")
            text += f"[many.s{n}]\n"
        else:
            table = (f"t{n}", "u") if kind == "deep" else (f"t{n}",)
            text += f"[{blank}{'.'.join(map(str, table))}{blank}]\n"
        expected[table] = text.count("\n")
    text = text.removesuffix("\n") + end
    tree = tomllib.loads(text)
    lines = find_lines(text)
    assert set(lines) == set(places(tree))
    assert {place: lines[place] for place in expected} == expected


@given(st.text(alphabet="ab=[]{}.\"'#,\n \\", max_size=60))
def test_any_text_comes_to_an_end(text: str) -> None:
    for line in find_lines(text).values():
        assert 1 <= line <= text.count("\n") + 1
