import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench import report
from bench.record import read
from tests.bench import runs

RUN = runs.run({("requests", "relay"): {"rate": [1.0, 2.0]}})


def test_a_run_is_stored_with_its_chart(tmp_path: Path) -> None:
    path = tmp_path / "out" / "clean-1.json"
    lines = report.store(RUN, path)
    assert read(path) == RUN
    assert ET.parse(path.with_suffix(".svg")).getroot().tag.endswith("svg")  # noqa: S314 - made by ourselves
    assert [line.split()[-1] for line in lines[1:]] == [str(path), str(path.with_suffix(".svg"))]


def test_it_is_shown_and_compared_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report.show(RUN, tmp_path / "table.md", RUN, "old.json")
    out = capsys.readouterr().out
    assert "requests & answers" in out
    assert "Compared with old.json" in out
    assert (tmp_path / "table.md").read_text().count("| the relay |") == 1
