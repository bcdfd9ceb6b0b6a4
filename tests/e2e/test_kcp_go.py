"""Ginnel's KCP against kcp-go, in both roles: `examples/kcp` on one side, `tests/interop/kcp_go` on the other.

Losses are made by the example, of the datagrams in both directions. Without Go, or where its modules cannot be had,
these tests skip and say so.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "tests/interop/kcp_go"

BYTES = 1_000_000
SECONDS = 100
"""Ends a hang, judges no speed."""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def kcp_go(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program made of kcp-go."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("needs Go, which makes a program of kcp-go")
    fetched = subprocess.run([go, "mod", "download"], cwd=SOURCE, capture_output=True, text=True, timeout=300)
    if fetched.returncode:
        pytest.skip(f"the modules of kcp-go cannot be had: {fetched.stderr.strip()[-200:]}")
    program = tmp_path_factory.mktemp("kcp_go") / "kcp_go"
    subprocess.run([go, "build", "-o", str(program), "."], cwd=SOURCE, check=True, timeout=500)
    return program


@pytest.fixture(scope="module")
def kcp() -> Path:
    """The example. Cargo says where it lies."""
    build = ["cargo", "build", "--locked", "--quiet", "--release", "-p", "ginnel-proto", "--example", "kcp"]
    subprocess.run(build, cwd=ROOT, check=True, timeout=580)
    describe = ["cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"]
    description = subprocess.run(
        describe, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60
    ).stdout
    target = description.split('"target_directory":"')[1].split('"')[0]
    return Path(target) / "release/examples/kcp"


def data(length: int) -> bytes:
    """What a source sends."""
    return bytes(((place * 2_654_435_761) & 0xFFFF_FFFF) >> 24 for place in range(length))


def converse(acceptor: Sequence[str], dialler: Sequence[str], task: Sequence[str]) -> tuple[str, str]:
    """What the one that accepts and the one that dials print when all is done."""
    with subprocess.Popen(acceptor, stdout=subprocess.PIPE, text=True) as accepting:
        try:
            assert accepting.stdout is not None
            word, address = accepting.stdout.readline().split()
            assert word == "listening"
            command = [*dialler, address, *task]
            dialling = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
            accepted, _ = accepting.communicate(timeout=SECONDS)
        except BaseException:
            accepting.kill()
            raise
    assert accepting.returncode == 0
    return accepted, dialling.stdout


SUM = hashlib.sha256(data(BYTES)).hexdigest()
SENT, RECEIVED = f"sent {BYTES} {SUM}\n", f"received {BYTES} {SUM}\n"
ANYWHERE = "127.0.0.1:0"


def lossy(loss: int, mode: str) -> list[str]:
    return ["--loss", str(loss), "--seed", "7", "--mode", mode]


@pytest.mark.parametrize("mode", ["auto", "fast3", "normal"])
@pytest.mark.parametrize("loss", [0, 1, 10])
def test_ours_dials_and_theirs_accepts(kcp: Path, kcp_go: Path, loss: int, mode: str) -> None:
    acceptor, dialler = [str(kcp_go), "accept", ANYWHERE], [str(kcp), "dial"]
    task = ["source", str(BYTES), *lossy(loss, mode)]
    accepted, dialled = converse([*acceptor, "sink", str(BYTES)], dialler, task)
    assert accepted == RECEIVED
    assert SENT in dialled
    accepted, dialled = converse([*acceptor, "echo", str(BYTES)], dialler, [*task, "--back"])
    assert accepted == RECEIVED
    assert SENT in dialled
    assert RECEIVED in dialled
    assert " 0 of the peer refused" in dialled


@pytest.mark.parametrize("mode", ["auto", "fast3", "normal"])
@pytest.mark.parametrize("loss", [0, 1, 10])
def test_theirs_dials_and_ours_accepts(kcp: Path, kcp_go: Path, loss: int, mode: str) -> None:
    acceptor, dialler, options = [str(kcp), "accept", ANYWHERE], [str(kcp_go), "dial"], lossy(loss, mode)
    accepted, dialled = converse([*acceptor, "sink", str(BYTES), *options], dialler, ["source", str(BYTES)])
    assert RECEIVED in accepted
    assert dialled == SENT
    accepted, dialled = converse([*acceptor, "echo", str(BYTES), *options], dialler, ["back", str(BYTES)])
    assert RECEIVED in accepted
    assert SENT in accepted
    assert sorted(dialled.splitlines(keepends=True)) == [RECEIVED, SENT]
    assert " 0 of the peer refused" in accepted
