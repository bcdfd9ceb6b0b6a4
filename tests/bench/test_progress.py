import io

import pytest

from bench.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_away_from_a_terminal_it_is_a_line_for_each_step() -> None:
    out = io.StringIO()
    progress = Progress(2, out)
    progress.begin("first")
    progress.end()
    progress.begin("second")
    progress.end("broken")
    progress.close()
    assert out.getvalue() == "1/2  first\nsecond: broken\n"


def test_on_a_terminal_it_is_one_line_that_fills_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out = Terminal()
    progress = Progress(4, out)
    for number in range(4):
        progress.begin(f"step {number}")
        progress.end("broken" if number == 1 else "")
    progress.close()
    shown = out.getvalue().split("\r\x1b[K")
    assert "[············" in shown[1]
    assert "step 1: broken\n" in shown
    assert shown[-2].startswith("[########################] 4/4  step 3")
    assert shown[-1] == ""
    assert out.getvalue().count("\n") == 1


def test_the_line_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    out = Terminal()
    Progress(4, out).begin("long " * 40)
    assert all(len(part) < 40 for part in out.getvalue().split("\r\x1b[K"))
