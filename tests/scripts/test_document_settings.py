"""What is made from the table of settings is as it would be made now."""

from pathlib import Path

from scripts.document_settings import documented, row

CONFIGURATION = Path(__file__).parent.parent.parent / "docs" / "configuration.md"


def test_the_document_is_as_it_would_be_made_now() -> None:
    text = CONFIGURATION.read_text()
    assert documented(text) == text, "make docs"


def test_a_row_that_is_wrong_is_written_anew_and_the_rest_left_alone() -> None:
    good = f"text\n{row('limits.links')}\n| `listen` | server | | | | |\n"
    assert (
        documented("text\n| `limits.links` | both | 1 | 2 | 3 | 4 |\n| `listen` | server | | | | |\n") == good
    )
