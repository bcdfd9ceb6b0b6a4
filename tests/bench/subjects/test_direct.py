import subprocess

import pytest

from bench import places
from bench.programs import BenchError
from bench.subjects import Direct, Lab
from bench.subjects.direct import CONTROLLERS


def test_nothing_is_started(lab: Lab) -> None:
    with Direct().running(lab) as running:
        assert (running.via, running.pids()) == ("direct", [])


def test_a_controller_that_the_kernel_lacks_is_named() -> None:
    assert Direct(congestion="wishful").missing() == "this kernel has no wishful"
    assert Direct(congestion=CONTROLLERS.read_text().split()[0]).missing() is None
    assert Direct().missing() is None


def test_the_controller_is_that_of_the_way_to_the_other_end(lab: Lab) -> None:
    if reason := places.why_no_namespaces():
        pytest.skip(reason)
    name = CONTROLLERS.read_text().split()[0]
    with places.veth_pair() as ends, Direct(congestion=name).running(Lab(ends, lab.load, lab.directory)):
        for place, other in ((ends.client, ends.server), (ends.server, ends.client)):
            ways = ["ip", "-n", str(place.namespace), "route", "get", other.address]
            said = subprocess.run(ways, capture_output=True, text=True, check=True)
            assert f"congctl {name}" in said.stdout


def test_a_controller_that_the_kernel_does_not_take_is_told(lab: Lab) -> None:
    if reason := places.why_no_namespaces():
        pytest.skip(reason)
    wishful = Direct(congestion="wishful")
    with (
        places.veth_pair() as ends,
        pytest.raises(BenchError, match="congctl wishful"),
        wishful.running(Lab(ends, lab.load, lab.directory)),
    ):
        pytest.fail("there is no such controller")


def test_on_loopback_nothing_of_the_machine_is_changed(lab: Lab) -> None:
    with Direct(congestion="wishful").running(lab) as running:
        assert running.via == "direct"
