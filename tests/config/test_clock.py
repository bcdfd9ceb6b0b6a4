"""What is told of the clock."""

import datetime

import pytest

from ginnel.config import clock

RIGHT = clock.MADE + datetime.timedelta(days=400, hours=5)
WRONG = datetime.datetime(1970, 1, 1, 0, 2, 3, tzinfo=datetime.UTC)


def test_only_a_clock_that_is_certainly_wrong_is_complained_of() -> None:
    assert clock.complaint(RIGHT) == ""
    assert clock.complaint(clock.MADE) == ""
    complaint = clock.complaint(WRONG)
    assert "it says 1970-01-01 00:02:03 UTC, and this ginnel was made after" in complaint
    assert clock.SET_CLOCK in complaint


def test_who_got_no_answer_sees_what_the_clock_says() -> None:
    assert f"here it is {RIGHT:%Y-%m-%d %H:%M:%S} UTC." in clock.hint(RIGHT)
    assert clock.hint(WRONG).startswith("This machine's clock is wrong: it says 1970-01-01")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-200.0, "this machine's clock is 3 min 20 s behind the server's;"),
        (11.4, "this machine's clock is 11 s ahead of the server's;"),
        (3600.0, "this machine's clock is 1 h ahead of the server's;"),
        (-86_400.0 * 1234 - 7200, "this machine's clock is 1,234 d 2 h behind the server's;"),
        (119.7, "this machine's clock is 2 min ahead of the server's;"),
    ],
)
def test_how_far_it_is_off(seconds: float, said: str) -> None:
    told = clock.off(seconds)
    assert told.startswith(said)
    assert told.endswith(f"beyond 2 minutes a new start of the client is not answered:  {clock.SET_CLOCK}")


def test_the_machine_is_asked_when_no_time_is_given() -> None:
    assert "UTC" in clock.hint()
