"""The checks of structure: import direction, pure crates, file sizes, mirrored tests, reasons, machine paths.

`python scripts/structure.py [DIRECTORY]` prints file, rule and remedy for each finding and ends with 1, or
prints nothing and ends with 0. The rules are the tables right below; ARCHITECTURE.md says why they are so.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# What each crate may depend on. Any may have netem, which is for tests, as a dev-dependency.
CRATES = {
    "proto": set[str](),
    "carrier": {"proto"},
    "netem": {"proto"},
    "engine": {"carrier", "proto"},
    "edge": {"engine", "carrier", "proto"},
    "bindings": {"edge", "engine", "carrier", "proto"},
    "load": {"edge", "engine", "carrier", "proto"},
}
# Python from bottom to top: a module imports from its own room and from the floors below it.
FLOORS = (
    "errors",
    "_setup capture config",
    "dissect",
    "_native",
    "policy doctor",
    "control",
    "api",
    "cli dashboard __init__",
    "__main__",
)
FLOOR_OF = {room: height for height, rooms in enumerate(FLOORS) for room in rooms.split()}

IMPURE = re.compile(
    r"\b(UdpSocket|TcpStream|TcpListener|Instant::now|SystemTime::now|std::(fs|thread|env|process)|tokio"
    r"|OsRng|SysRng|thread_rng|getrandom|rand::(rng|random|make_rng)|SystemRandom)\b"
)
# The files outside the carrier that may have unsafe code: an allocator cannot be written without.
ALLOCATORS = {"crates/bindings/src/allocator.rs", "crates/load/src/allocator.rs"}
UNSAFE = re.compile(r"\bunsafe\b|allow\(\s*unsafe_code")
UNIT_TESTS = re.compile(r"#\[cfg\(test\)\]\s*mod \w+ \{")
SILENCED = re.compile(
    r"#!?\[(allow|expect)\((?!.*(//|reason))|#\s*type:\s*ignore(?!\[.*\].*#)|#\s*noqa(?!:.*[a-z]{3})"
)
# Homes and workshops of one machine.
MACHINE_PATH = re.compile(r"(?<![\w.~$}])/(home|Users|root|work|workspace|builds)/[\w.]")

MAX_LINES = 500
# A Rust module with fewer lines, or without a function, may go without tests of its own.
SMALL_MODULE = 100
SOURCES = {".rs", ".py", ".pyi", ".sh", ".js", ".ts", ".css", ".html", ".c"}
TEXTS = SOURCES | {"", ".md", ".toml", ".in", ".json", ".txt", ".yml", ".yaml"}
# Directories that are made, not written; hidden ones are skipped too, but for .ci.
MADE = re.compile(r"\.git$|(target|fuzz/target|dist)/|(.*/)?(__pycache__|node_modules|\.(?!ci/)[^/]*)/")

# Files that need no test of their own, each with the reason. An entry no longer needed is a finding.
UNTESTED: dict[str, str] = {
    "crates/edge/src/serve.rs": "has no life without an inbound: crates/edge/tests/socks5.rs and host.rs",
    "crates/edge/src/inbound/newcomers.rs": "has no life without an inbound: crates/edge/tests/limits.rs",
    "crates/engine/src/memory.rs": "sheds relays, which only a pair of ends has: crates/engine/tests/idle.rs",
    "crates/engine/src/driver.rs": "every test of relay and client runs on it: crates/engine/tests",
    "crates/engine/src/shard.rs": "every test of relay and client runs on it: crates/engine/tests",
    "crates/engine/src/stream.rs": "every test of relay and client runs on it: crates/engine/tests",
}


class Finding(NamedTuple):
    """One breach: where, which rule, and what would be right."""

    place: str
    rule: str
    remedy: str


def crate_dependencies(root: Path) -> Iterator[Finding]:
    """Crates depend downwards only, as CRATES says."""
    for manifest in sorted(root.glob("crates/*/Cargo.toml")):
        name, place = manifest.parent.name, str(manifest.relative_to(root))
        if name not in CRATES:
            yield Finding(place, "unknown crate", "place it in CRATES of scripts/structure.py")
            continue
        table = tomllib.loads(manifest.read_text())
        for section in ("dependencies", "build-dependencies", "dev-dependencies"):
            allowed = CRATES[name] | ({"netem"} if section == "dev-dependencies" else set())
            ours = {
                key.removeprefix("ginnel-") for key in table.get(section, {}) if key.startswith("ginnel-")
            }
            for other in sorted(ours - allowed):
                yield Finding(place, f"{name} depends on {other}", "imports go downwards: move the code")


def is_test(place: Path) -> bool:
    """Whether a Rust file is compiled for tests only."""
    return "tests" in place.parts or "benches" in place.parts or place.stem.endswith("tests")


def rust_words(root: Path) -> Iterator[Finding]:
    """The machines are pure, and only the carrier is unsafe."""
    for path in sorted(root.glob("crates/*/src/**/*.rs")):
        place = path.relative_to(root)
        crate = place.parts[1]
        shipped = UNIT_TESTS.split(path.read_text())[0]
        for number, line in enumerate(shipped.splitlines(), 1):
            code = line.split("//")[0]
            if crate == "proto" and not is_test(place) and (word := IMPURE.search(code)):
                remedy = "time, randomness and packets are arguments; sockets live in carrier and edge"
                yield Finding(f"{place}:{number}", f"{word[0]} in proto", remedy)
            if (
                not place.is_relative_to("crates/carrier")
                and str(place) not in ALLOCATORS
                and UNSAFE.search(code)
            ):
                yield Finding(f"{place}:{number}", f"unsafe in {crate}", "only carrier may: move the code")


def imports(tree: ast.AST, package: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Every imported dotted name with its line, relative ones made absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name.split(".")) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = start + (node.module.split(".") if node.module else [])
            yield from ((node.lineno, [*module, name.name]) for name in node.names)


def python_imports(root: Path) -> Iterator[Finding]:
    """Modules of the package import downwards only, and one alone imports the native module."""
    for path in sorted(root.glob("python/ginnel/**/*.py")):
        inside = path.relative_to(root / "python/ginnel").with_suffix("").parts
        place, room = str(path.relative_to(root)), inside[0]
        if room not in FLOOR_OF:
            yield Finding(place, "module without a floor", "place it in FLOORS of scripts/structure.py")
            continue
        for line, name in imports(ast.parse(path.read_text()), ["ginnel", *inside[:-1]]):
            if name[0] != "ginnel":
                continue
            # The bare package is the face of the api.
            target = name[1] if len(name) > 1 and name[1] in {"_engine", *FLOOR_OF} else "api"
            if target == "_engine" and room != "_native":
                yield Finding(f"{place}:{line}", "import of _engine", "go through ginnel._native")
            if target != room and FLOOR_OF.get(target, -1) >= FLOOR_OF[room]:
                yield Finding(
                    f"{place}:{line}", f"{room} imports {target}", "imports go downwards: move the code"
                )


def python_without_tests(root: Path) -> Iterator[tuple[str, str]]:
    """Files with a function in them: python/ginnel/x/y.py wants tests/x/test_y.py, bench/x.py tests/bench/test_x.py."""
    for path in sorted(
        [*root.glob("python/ginnel/**/*.py"), *root.glob("scripts/**/*.py"), *root.glob("bench/**/*.py")]
    ):
        place = path.relative_to(root)
        inside = place.relative_to("python/ginnel") if place.parts[0] == "python" else place
        test = Path("tests", inside.parent, f"test_{inside.stem.strip('_')}.py")
        nodes = ast.walk(ast.parse(path.read_text()))
        has_code = any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in nodes)
        if has_code and not (root / test).exists():
            yield str(place), f"write {test}"


def rust_without_tests(root: Path) -> Iterator[tuple[str, str]]:
    """Modules of size with no tests in them, nor in a test file of their crate named after them or their parent.

    Tests of the machines may be netem's as well.
    """
    for crate in sorted(root.glob("crates/*")):
        # A cdylib runs no Rust tests: tests/ drives the built module. And netem is itself a part of tests.
        if crate.name in ("bindings", "netem"):
            continue
        places = [path.relative_to(crate) for path in sorted(crate.glob("**/*.rs"))]
        tests = " ".join(str(place) for place in places if is_test(place))
        if crate.name == "proto":
            # Some machines only show what they are worth on a network.
            tests += " ".join(str(path.relative_to(root)) for path in root.glob("crates/netem/tests/*.rs"))
        for place in places:
            text, names = (crate / place).read_text(), set(place.with_suffix("").parts[1:]) - {"mod"}
            small = text.count("\n") < SMALL_MODULE or not re.search(r"\bfn \w+", text)
            tested = is_test(place) or "#[cfg(test)]" in text or any(name in tests for name in names)
            if place.parts[0] == "src" and not small and not tested:
                yield (
                    f"crates/{crate.name}/{place}",
                    "test it beside it or in its crate's tests, named after it",
                )


def tested(root: Path) -> Iterator[Finding]:
    """Tests mirror the code, but for UNTESTED."""
    missing = dict([*python_without_tests(root), *rust_without_tests(root)])
    for place in sorted(missing.keys() - UNTESTED.keys()):
        yield Finding(place, "no test of its own", missing[place])
    for place in sorted(UNTESTED.keys() - missing.keys()):
        yield Finding(place, "needs no exception", "take it out of UNTESTED in scripts/structure.py")


def texts(root: Path) -> Iterator[Finding]:
    """No source is too long or silences a check without a reason; no text names a place of one machine."""
    for path in sorted(root.rglob("*")):
        place, source = path.relative_to(root), path.suffix in SOURCES
        if MADE.match(str(place)) or path.suffix not in TEXTS or not path.is_file():
            continue
        lines = path.read_text(errors="replace").splitlines()
        if source and len(lines) > MAX_LINES:
            yield Finding(
                str(place), f"{len(lines)} lines, at most {MAX_LINES}", "a file is one idea: split it"
            )
        for number, line in enumerate(lines, 1):
            if MACHINE_PATH.search(line):
                yield Finding(f"{place}:{number}", "path of one machine", "name it relative to the project")
            if source and SILENCED.search(line):
                yield Finding(f"{place}:{number}", "silenced without a reason", "say why on the same line")


RULES = crate_dependencies, rust_words, python_imports, tested, texts


def main(root: Path) -> int:
    """Print every finding; 1 when there is one."""
    findings = [finding for rule in RULES for finding in rule(root)]
    for place, rule, remedy in findings:
        print(f"{place}: {rule}. {remedy[0].upper()}{remedy[1:]}.")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent))
