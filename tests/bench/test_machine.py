import datetime
import subprocess
from pathlib import Path

import pytest

from bench import machine


def test_this_machine_has_what_a_reader_wants_to_know() -> None:
    found = machine.this_machine()
    assert found.cores >= 1
    assert found.memory_bytes > 2**20
    assert found.cpu
    assert found.kernel.startswith("Linux ")


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("processor\t: 0\nmodel name\t: Abacus 3000 @ 2 GHz\nmodel name\t: other\n", "Abacus 3000 @ 2 GHz"),
        ("Hardware\t: x\nModel\t\t: Slide Rule 4\n", "Slide Rule 4"),
    ],
)
def test_the_model_is_found_where_kernels_put_it(text: str, model: str) -> None:
    assert machine.cpu_model(text) == model


def test_a_processor_without_a_name_has_its_architecture() -> None:
    assert machine.cpu_model("processor : 0\n") in machine.this_machine().kernel


def test_the_time_has_its_offset() -> None:
    now = machine.now()
    assert now.utcoffset() is not None
    assert datetime.datetime.fromisoformat(now.isoformat()) == now


def test_the_commit_is_that_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert machine.commit() is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    try:
        subprocess.run([*git, "init", "--quiet"], check=True)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    (tmp_path / "file").write_text("1")
    subprocess.run([*git, "add", "file"], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "one"], check=True)
    clean = machine.commit()
    assert clean is not None
    assert len(clean) == 12
    (tmp_path / "file").write_text("2")
    assert machine.commit() == clean + "+"
