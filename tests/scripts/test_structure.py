"""Each rule is broken once in a small tree of its own, and must say so; the tree before that is clean."""

from pathlib import Path

import pytest

from scripts import structure

PURE = "/// Adds.\npub fn add(a: u8, b: u8) -> u8 {\n    a.wrapping_add(b)\n}\n"
# Put together here, so that this file does not break the rules it tests.
UNEXPLAINED = "# type: " + "ignore[arg-type]"
SOMEONES_HOME = "/ho" + "me/someone/code"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in which every rule holds, without the exceptions of the real one."""
    monkeypatch.setattr(structure, "UNTESTED", {})
    files = {
        "crates/proto/Cargo.toml": '[dependencies]\nbytes = "1"\n[dev-dependencies]\nginnel-netem.workspace = true\n',
        "crates/proto/src/lib.rs": PURE,
        "crates/netem/Cargo.toml": "[dependencies]\nginnel-proto.workspace = true\n",
        "crates/engine/Cargo.toml": "[dependencies]\nginnel-proto.workspace = true\nginnel-carrier.workspace = true\n",
        "crates/carrier/Cargo.toml": "[dependencies]\n",
        "crates/carrier/src/lib.rs": "unsafe { libc::getpid() };\n",
        "python/ginnel/__init__.py": "from ginnel.api import Client\n",
        "python/ginnel/_native.py": "from ginnel import _engine\n",
        "python/ginnel/api.py": "from ginnel import _native\nfrom ginnel.config.units import size\n",
        "python/ginnel/config/__init__.py": "from ginnel.config.units import size\n",
        "python/ginnel/config/units.py": "from ginnel.errors import ConfigError\ndef size() -> int: ...\n",
        "python/ginnel/errors.py": "class ConfigError(Exception): ...\n",
        "python/ginnel/cli/main.py": "import ginnel\nfrom ginnel.cli import options\n",
        "tests/config/test_units.py": "",
        "README.md": "Keys are in ~/.local/state/ginnel, see https://example.org/home/page.\n",
    }
    for name, text in files.items():
        write(tmp_path, name, text)
    return tmp_path


def write(tree: Path, name: str, text: str) -> None:
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    (tree / name).write_text(text)


def lines_of(tree: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the script prints for a tree; its exit code must agree."""
    code = structure.main(tree)
    lines = capsys.readouterr().out.splitlines()
    assert code == (1 if lines else 0)
    return lines


def test_a_clean_tree_is_silent(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines_of(tree, capsys) == []


LONG_RUST = PURE + "// more\n" * structure.SMALL_MODULE


@pytest.mark.parametrize(
    ("name", "text", "finding"),
    [
        (
            "crates/carrier/Cargo.toml",
            "[dependencies]\nginnel-engine.workspace = true\n",
            "crates/carrier/Cargo.toml: carrier depends on engine. Imports go downwards: move the code.",
        ),
        (
            "crates/engine/Cargo.toml",
            "[dependencies]\nginnel-netem.workspace = true\n",
            "crates/engine/Cargo.toml: engine depends on netem.",
        ),
        ("crates/attic/Cargo.toml", "", "crates/attic/Cargo.toml: unknown crate."),
        (
            "crates/proto/src/a.rs",
            "let now = Instant::now();\n",
            "crates/proto/src/a.rs:1: Instant::now in proto.",
        ),
        ("crates/proto/src/a.rs", "\nuse tokio::net;\n", "crates/proto/src/a.rs:2: tokio in proto."),
        (
            "crates/proto/src/a.rs",
            "use std::net::{IpAddr, UdpSocket};\n",
            "crates/proto/src/a.rs:1: UdpSocket in proto.",
        ),
        (
            "crates/proto/src/a.rs",
            "let mut r = rand::rng();\n",
            "crates/proto/src/a.rs:1: rand::rng in proto.",
        ),
        (
            "crates/proto/src/a.rs",
            "#[cfg(test)]\nmod a_tests;\nuse std::fs::File;\n",
            "crates/proto/src/a.rs:3: std::fs in proto.",
        ),
        ("crates/engine/src/a.rs", "unsafe { go() }\n", "crates/engine/src/a.rs:1: unsafe in engine."),
        ("python/ginnel/api.py", "import ginnel._engine\n", "python/ginnel/api.py:1: import of _engine."),
        (
            "python/ginnel/errors.py",
            "from .config import units\n",
            "python/ginnel/errors.py:1: errors imports config.",
        ),
        (
            "python/ginnel/config/units.py",
            "def size():\n    from .. import api\n",
            "python/ginnel/config/units.py:2: config imports api.",
        ),
        (
            "python/ginnel/config/units.py",
            "import ginnel\n",
            "python/ginnel/config/units.py:1: config imports api.",
        ),
        (
            "python/ginnel/cli/main.py",
            "from ginnel.dashboard import page\n",
            "python/ginnel/cli/main.py:1: cli imports dashboard.",
        ),
        ("python/ginnel/attic.py", "", "python/ginnel/attic.py: module without a floor."),
        (
            "python/ginnel/config/link.py",
            "async def read() -> None: ...\n",
            "python/ginnel/config/link.py: no test of its own. Write tests/config/test_link.py.",
        ),
        ("scripts/tool.py", "def main() -> None: ...\n", "scripts/tool.py: no test of its own."),
        ("crates/engine/src/relay.rs", LONG_RUST, "crates/engine/src/relay.rs: no test of its own."),
        ("tests/test_api.py", "\n" * 501, "tests/test_api.py: 501 lines, at most 500."),
        ("docs/guide.md", f"cd {SOMEONES_HOME}\n", "docs/guide.md:1: path of one machine."),
        (".ci/run", f"cd {SOMEONES_HOME}\n", ".ci/run:1: path of one machine."),
        (
            "python/ginnel/api.py",
            f"x = f(1)  {UNEXPLAINED}\n",
            "python/ginnel/api.py:1: silenced without a reason. Say why on the same line.",
        ),
        (
            "tests/test_api.py",
            "x = 1  # no" + "qa: E501\n",
            "tests/test_api.py:1: silenced without a reason.",
        ),
        (
            "crates/engine/src/a.rs",
            "#[al" + "low(dead_code)]\n",
            "crates/engine/src/a.rs:1: silenced without a reason.",
        ),
    ],
)
def test_a_breach_is_found(
    tree: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, finding: str
) -> None:
    write(tree, name, text)
    found = lines_of(tree, capsys)
    assert len(found) == 1, found
    assert found[0].startswith(finding)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("crates/proto/src/a.rs", "// Instant::now is the caller's\nlet t = now; // not tokio\n"),
        ("crates/proto/src/a.rs", PURE + "#[cfg(test)]\nmod tests {\n    let t = Instant::now();\n}\n"),
        ("crates/proto/tests/pair.rs", "let start = Instant::now();\n"),
        ("crates/engine/src/lib.rs", "#![forbid(unsafe_code)]\n"),
        ("crates/engine/src/relay.rs", LONG_RUST + "#[cfg(test)]\nmod tests;\n"),
        ("crates/engine/src/a.rs", "#[al" + "low(dead_code)] // read by the debugger only\n"),
        ("python/ginnel/api.py", f"x = f(1)  {UNEXPLAINED}  # the stub of f is too narrow\n"),
        ("Cargo.lock", "\n" * 600),
        ("target/debug/build.rs", f"{SOMEONES_HOME}\n" * 600),
        (".venv/lib/x.py", f"{SOMEONES_HOME}\n" * 600),
    ],
)
def test_what_is_right_stays_silent(
    tree: Path, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    write(tree, name, text)
    assert lines_of(tree, capsys) == []


def test_a_rust_module_is_tested_by_a_file_of_its_name(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tree, "crates/engine/src/relay.rs", LONG_RUST)
    write(tree, "crates/engine/src/socks5/answer.rs", LONG_RUST)
    assert len(lines_of(tree, capsys)) == 2
    write(tree, "crates/engine/src/relay_tests.rs", "")
    write(tree, "crates/engine/tests/socks5.rs", "")
    assert lines_of(tree, capsys) == []


def test_an_exception_that_nobody_needs_is_a_finding(
    tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(structure, "UNTESTED", {"scripts/tool.py": "a reason"})
    assert lines_of(tree, capsys)[0].startswith("scripts/tool.py: needs no exception.")
    write(tree, "scripts/tool.py", "def main() -> None: ...\n")
    assert lines_of(tree, capsys) == []
