import os
import signal

import pytest

from bench.interrupts import SIGNALS, Interrupts


def test_each_signal_is_a_ctrl_c() -> None:
    for number in SIGNALS:
        interrupts = Interrupts()
        with interrupts.watched(), pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)


def test_the_second_one_is_ignored() -> None:
    interrupts = Interrupts()
    with interrupts.watched():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)


def test_a_held_signal_comes_when_the_outermost_block_is_over() -> None:
    interrupts, done = Interrupts(), []
    with interrupts.watched():
        with pytest.raises(KeyboardInterrupt), interrupts.held():
            with interrupts.held():
                os.kill(os.getpid(), signal.SIGINT)
                done.append("inner")
            done.append("outer")
        with interrupts.held():
            os.kill(os.getpid(), signal.SIGINT)
    assert done == ["inner", "outer"]


def test_the_handlers_are_given_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interrupts().watched():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before
