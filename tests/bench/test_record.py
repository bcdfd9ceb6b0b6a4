import json
from pathlib import Path

import pytest

from bench import record
from bench.record import RecordError, newest, read, save
from tests.bench import runs

RUN = runs.run({("requests", "ginnel"): {"rate": [1.25, 3.5], "cpu": [0.1, 0.2]}})


def test_a_run_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "run.json"
    save(RUN, path)
    assert read(path) == RUN
    assert [one.name for one in path.parent.iterdir()] == ["run.json"], "nothing stays beside it"


def test_a_file_that_is_there_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("old")
    save(RUN, path)
    assert read(path) == RUN


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no run of make bench"),
        ("{", "no run of make bench"),
        ("[]", "no run of make bench"),
        ("{}", "kind: Field required"),
        ("\0\xff", "no run of make bench"),
    ],
)
def test_a_damaged_file_is_named_with_its_fault(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(RecordError, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("form", 2), ("kind", "other"), ("samples", [{}]), ("surprise", 1), ("machine", None)],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, key: str, value: object) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(RUN.model_dump(mode="json") | {key: value}))
    with pytest.raises(RecordError, match=key):
        read(path)


def test_a_value_that_is_no_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    save(RUN, path)
    path.write_text(path.read_text().replace("1.25", "NaN"))
    with pytest.raises(RecordError, match="no run of make bench"):
        read(path)


def test_a_file_that_is_not_there_or_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecordError, match=r"absent\.json: No such file"):
        read(tmp_path / "absent.json")
    save(RUN, tmp_path / "run.json")
    monkeypatch.setattr(record, "MAX_BYTES", 10)
    with pytest.raises(RecordError, match="larger than"):
        read(tmp_path / "run.json")


def test_the_newest_is_the_last_of_its_kind(tmp_path: Path) -> None:
    for name in ("clean-20260101-000000.json", "clean-20260102-000000.json", "wan-20270101-000000.json"):
        (tmp_path / name).touch()
    assert newest(tmp_path, "clean").name == "clean-20260102-000000.json"
    with pytest.raises(RecordError, match="no run of the kind wan"):
        newest(tmp_path / "empty", "wan")
