"""Offloads of an interface."""

from ginnel.doctor import offloads


def test_what_is_off_says_how_to_switch_it_on() -> None:
    tso, gro = offloads.check("eth0", {"tso": False, "gro": True})
    assert (tso.state, tso.remedy) == ("note", "sudo ethtool -K eth0 tso on")
    assert (gro.state, gro.remedy) == ("ok", "")
    [unknown] = offloads.check("eth0", {"tso": None})
    assert (unknown.state, unknown.remedy) == ("note", "ethtool -k eth0")


def test_the_loopback_tells_and_what_does_not_exist_does_not() -> None:
    assert offloads.read("lo") == {"tso": True, "gro": True}
    assert offloads.read("none0") == {"tso": None, "gro": None}
    assert offloads.read("a name that is too long") == {"tso": None, "gro": None}
