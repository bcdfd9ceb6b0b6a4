"""The check of tools: silent when all is there, else one line for each, with the way to get it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOOD = {
    "python3": f'exec "{sys.executable}" "$@"',
    "cc": "exit 0",
    "cargo": "echo 'cargo 1.999.0 (abc 2030-01-01)'",
}


def check(tmp_path: Path, tools: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the check where there are only these tools, each a line of shell."""
    for name in ("sed", "sort", "cut"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    for name, line in tools.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    command = ["/bin/sh", str(ROOT / "scripts/tools.sh"), *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=60
    )


def test_all_there_is_silence(tmp_path: Path) -> None:
    done = check(tmp_path, GOOD)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("cargo", None, "https://rustup.rs"),
        ("cargo", "exit 1", "https://rustup.rs"),
        (
            "cargo",
            "echo 'cargo 1.85.1 (abc 2025-01-01)'",
            "this is cargo 1.85.1 (abc 2025-01-01).  Update with: rustup update",
        ),
        ("cc", None, "apt install gcc libc6-dev"),
        ("python3", None, "https://www.python.org/downloads/"),
        ("python3", "exit 1", "https://www.python.org/downloads/"),
        ("python3", 'case "$2" in *venv*) exit 1;; esac', "apt install python3-venv"),
    ],
)
def test_what_is_missing_is_one_line_with_the_way_to_get_it(
    tmp_path: Path, name: str, line: str | None, words: str
) -> None:
    tools = {tool: text for tool, text in (GOOD | {name: line}).items() if text is not None}
    done = check(tmp_path, tools)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("missing: ")
    assert words in done.stderr


def test_everything_missing_is_told_at_once(tmp_path: Path) -> None:
    assert len(check(tmp_path, {}).stderr.splitlines()) == 3


def test_a_newer_python_beside_an_old_one_is_found(tmp_path: Path) -> None:
    done = check(tmp_path, {"python3": "exit 1", "python3.13": GOOD["python3"]}, "python")
    assert done.stdout == "python3.13\n"
