"""What was asked, and what follows for what was found."""

from ginnel.doctor.finding import Wanted


def test_what_only_raw_tcp_needs_is_a_problem_only_for_raw_tcp() -> None:
    assert Wanted(rawtcp=True).lacking() == "problem"
    assert Wanted().lacking() == "note"
