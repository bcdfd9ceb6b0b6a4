import xml.etree.ElementTree as ET

from bench.chart import svg
from tests.bench import runs

NAMES = {"svg": "http://www.w3.org/2000/svg"}


def drawn(picture: str) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314 - made by ourselves right before


def test_it_is_xml_whatever_stands_in_the_titles() -> None:
    root = drawn(
        svg(runs.run({("requests", "<b>&\"'"): {"rate": [1.0, 2.0]}, ("bulk", "x"): {"rate": [0.0]}}))
    )
    texts = [text.text or "" for text in root.iterfind("svg:text", NAMES)]
    assert "the <b>&\"'" in texts
    assert "requests & answers" in texts
    assert any("Abacus <2> & sons" in text for text in texts)


def test_each_row_has_a_scale_of_its_own_and_a_bar_for_each_subject() -> None:
    run = runs.run(
        {
            ("requests", "relay"): {"rate": [100, 100]},
            ("requests", "ginnel"): {"rate": [50, 50]},
            ("bulk", "relay"): {"rate": [1e9]},
        }
    )
    widths = [float(bar.get("width", "0")) for bar in drawn(svg(run)).iterfind("svg:rect", NAMES)]
    assert len(widths) == 3
    assert widths[0] == widths[2]
    assert round(widths[0] / widths[1], 2) == 2.0


def test_a_spread_is_drawn_where_there_is_one() -> None:
    run = runs.run({("requests", "relay"): {"rate": [80, 100, 90]}, ("bulk", "relay"): {"rate": [5]}})
    (line,) = drawn(svg(run)).iterfind("svg:line", NAMES)
    assert float(line.get("x1", "0")) < float(line.get("x2", "0"))


def test_it_is_read_on_light_and_dark_ground() -> None:
    picture = svg(runs.run({("bulk", "relay"): {"rate": [1]}}))
    assert "prefers-color-scheme: dark" in picture
    assert drawn(picture).get("viewBox", "").startswith("0 0 ")


def test_a_run_without_a_sample_is_a_picture_too() -> None:
    assert list(drawn(svg(runs.run({}))).iterfind("svg:rect", NAMES)) == []
