"""From layers to a configuration: which value counts, and every mistake with its place."""

from pathlib import Path

import pytest

from ginnel.config.address import Endpoint
from ginnel.config.load import Loaded, Source
from ginnel.config.ports import Ports
from ginnel.config.profile import ProfileConfig
from ginnel.config.secret import Secret
from ginnel.config.values import ClientConfig, ServerConfig
from ginnel.errors import ConfigError
from tests.config.test_values import LINK

OTHER = LINK.model_copy(
    update={"servers": (LINK.servers[0].model_copy(update={"psk": Secret(b"\x01" * 32)}),)}
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a directory of its own, so that messages show the names of files alone."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(name: str, text: str, mode: int = 0o600) -> Path:
    path = Path(name)
    path.write_text(text)
    path.chmod(mode)
    return path


def server(text: str, variables: dict[str, str] | None = None, *assignments: str) -> Loaded:
    path = written("server.toml", f'role = "server"\n{text}\n')
    return Source(file=path, variables=variables or {}, assignments=assignments).load()


def client(text: str, variables: dict[str, str] | None = None, *assignments: str) -> Loaded:
    path = written("client.toml", f'role = "client"\n{text}\n')
    return Source(file=path, variables=variables or {}, assignments=assignments).load()


def lines(loaded: Loaded) -> list[str]:
    assert (loaded.config is None) == bool(loaded.mistakes)
    return [mistake.line for mistake in loaded.mistakes]


def test_every_kind_of_setting_of_a_server() -> None:
    config = server(
        """
        listen = "443"
        state = "state"
        advertise = "vpn.example.net:444"
        allow_private = true
        drain = "1m"
        congestion = "fixed"
        rate = "184 Mbit/s"
        log.level = "debug"
        log.format = "json"
        log.areas.link = "trace"
        timeouts.step = "2.5s"
        limits.tcp_buffer = "128KiB"
        """
    ).usable()
    assert isinstance(config, ServerConfig)
    assert config.listen == (Endpoint("0.0.0.0", Ports.one(443)),)  # noqa: S104 - what a server listens on unless told otherwise
    assert config.state == Path("state")
    assert config.advertise == (("vpn.example.net", Ports.one(444), None),)
    assert config.allow_private
    assert config.drain_seconds == 60
    assert (config.congestion, config.rate_bits_per_second) == ("fixed", 184_000_000)
    assert (config.log.level, config.log.format, config.log.areas) == ("debug", "json", {"link": "trace"})
    assert config.timeouts.step_seconds == 2.5
    assert config.limits.tcp_buffer_bytes == 128 * 1024


def test_a_client_has_defaults_of_its_own() -> None:
    written("link.txt", LINK.to_text())
    config = client('link_file = "link.txt"').usable()
    assert isinstance(config, ClientConfig)
    assert config.link == LINK
    assert [str(one) for one in config.socks5] == ["127.0.0.1:1080"]
    assert config.keep_trying
    assert Source(
        role="client", flags={"link": ("LINK", LINK)}, defaults={"keep_trying": False}
    ).load().usable() == (config.model_copy(update={"keep_trying": False}))


@pytest.mark.parametrize(
    ("text", "variables", "assignments", "drain", "origin"),
    [
        ("", {}, (), 4, None),
        ("drain = '1s'", {}, (), 1, "server.toml:2"),
        ("drain = '1s'", {"GINNEL_DRAIN": "2s"}, (), 2, "$GINNEL_DRAIN"),
        ("drain = '1s'", {"GINNEL_DRAIN": "2s"}, ("drain=3s",), 3, "--set drain"),
        ("drain = '1s'", {}, ("drain=3s",), 3, "--set drain"),
    ],
)
def test_flags_count_more_than_the_environment_and_that_more_than_the_file(
    text: str, variables: dict[str, str], assignments: tuple[str, ...], drain: float, origin: str | None
) -> None:
    loaded = server(text, variables, *assignments)
    assert loaded.usable().drain_seconds == drain
    assert str(loaded.origins.get("drain")) == str(origin)


def test_every_mistake_with_its_place() -> None:
    """In the order of the lines, whatever finds them, and with the form of words that the design has."""
    found = lines(
        server(
            """\
listne = "443"
drain = 4
state = ""
[timeouts]
half_closed = "3h"
connect = "-1s"
resolve = "1KiB"
[limits]
tcp_buffer = "100 MB"
streams = "many"
links_per_user = 0
stream_window = "64MiB"
link_window = "1MiB"
""",
            {"GINNEL_LOG_LEVEL": "loud"},
            "limits.links=-4",
            "nothing",
        )
    )
    assert found == [
        "server.toml:2: unknown key 'listne'. Did you mean 'listen'?",
        'server.toml:3: drain = 4 has no unit. Write "4s" for seconds, in quotes. Units: ms, s, min, h, d.',
        'server.toml:4: state = "" is not a path. Such as "/var/lib/ginnel".',
        'server.toml:6: timeouts.half_closed = "3h" is more than timeouts.stream_idle (2 h, the default)',
        'server.toml:7: timeouts.connect = "-1s" is negative. Allowed: 100 ms to 5 min. The default is 10 s.',
        'server.toml:8: timeouts.resolve = "1KiB" is not a time. Write a number and a unit: 500ms, 4s, 2m.'
        " Units: ms, s, min, h, d.",
        'server.toml:10: limits.tcp_buffer = "100 MB" is too large. Allowed: 1 KiB to 10 MiB. The default is 64 KiB.',
        'server.toml:11: limits.streams = "many" is not a whole number. Write it without quotes.'
        " Allowed: 1 to 100,000. The default is 50,000.",
        "server.toml:12: limits.links_per_user = 0 is too small. Allowed: 1 to 4,096. The default is 64.",
        'server.toml:14: limits.stream_window = "64MiB" is more than limits.link_window (1 MiB)',
        "$GINNEL_LOG_LEVEL = 'loud' is not one of its words. One of: off, error, warning, info, debug, trace.",
        "--set 'nothing' has no value. Write --set KEY=VALUE, such as --set limits.tcp_buffer=64KiB.",
        "--set limits.links = '-4' is too small. Allowed: 1 to 60,000. The default is 4,096.",
    ]


def test_the_first_mistake_is_the_one_to_raise() -> None:
    with pytest.raises(ConfigError) as caught:
        server("drain = '1d'\nlimits.tcp_buffer = '100 MB'").usable()
    assert str(caught.value) == 'server.toml:2: drain = "1d" is too long'
    assert caught.value.hint == "Allowed: 0 s to 1 h. The default is 4 s."


def test_a_value_that_is_overridden_is_checked_all_the_same() -> None:
    assert lines(server("drain = '1d'", {"GINNEL_DRAIN": "1s"})) == [
        'server.toml:2: drain = "1d" is too long. Allowed: 0 s to 1 h. The default is 4 s.'
    ]


@pytest.mark.parametrize(
    ("variables", "assignments", "place"),
    [
        ({"GINNEL_TIMEOUTS_HALF_CLOSED": "3h"}, (), "$GINNEL_TIMEOUTS_HALF_CLOSED"),
        ({}, ("timeouts.half_closed=3h",), "--set timeouts.half_closed"),
        ({"GINNEL_TIMEOUTS_HALF_CLOSED": "3h"}, ("timeouts.stream_idle=150s",), "--set timeouts.stream_idle"),
    ],
)
def test_settings_that_do_not_fit_are_told_where_the_last_was_given(
    variables: dict[str, str], assignments: tuple[str, ...], place: str
) -> None:
    (found,) = lines(server("", variables, *assignments))
    assert found.startswith(f'{place}: timeouts.half_closed = "3h" is more than timeouts.stream_idle (')


NEEDS = (
    'congestion = "fixed" needs a rate.'
    ' Give what the line carries as well: rate = "184 Mbit/s". The default needs none.'
)
ALONE = 'rate = "20 Mbit/s" counts only where congestion is "fixed", and it is '
REMEDY = '. Set congestion to "fixed", or take the rate out.'
FIXED, RATE = 'congestion = "fixed"\n', 'rate = "20 Mbit/s"\n'


@pytest.mark.parametrize(
    ("text", "variables", "assignments", "mistakes"),
    [
        (FIXED, {}, (), [f"server.toml:2: {NEEDS}"]),
        ("", {"GINNEL_CONGESTION": "fixed"}, (), [f"$GINNEL_CONGESTION: {NEEDS}"]),
        ("", {}, ("congestion=fixed",), [f"--set congestion: {NEEDS}"]),
        (RATE, {}, (), [f'server.toml:2: {ALONE}"adaptive" (the default){REMEDY}']),
        (
            RATE + 'congestion = "cubic"',
            {},
            (),
            [f'server.toml:2: {ALONE}"cubic" (server.toml:3){REMEDY}'],
        ),
        (
            'congestion = "cubic"',
            {"GINNEL_RATE": "20 mbit"},
            (),
            [f'$GINNEL_RATE: {ALONE}"cubic" (server.toml:2){REMEDY}'],
        ),
        ("", {}, ("rate=20Mbps",), [f'--set rate: {ALONE}"adaptive" (the default){REMEDY}']),
        (
            "",
            {},
            ("congestion=cubic", "rate=20Mbps"),
            [f'--set rate: {ALONE}"cubic" (--set congestion){REMEDY}'],
        ),
        # Of what could not be read nobody knows whether it would have fitted.
        (FIXED + 'rate = "fast"', {}, (), ["server.toml:3: rate = "]),
        (RATE + 'congestion = "fxied"', {}, (), ["server.toml:3: congestion = "]),
        (FIXED + 'drain = "1d"', {}, (), [f"server.toml:2: {NEEDS}", "server.toml:3: drain = "]),
    ],
)
def test_a_rate_goes_with_fixed_and_fixed_with_a_rate(
    text: str, variables: dict[str, str], assignments: tuple[str, ...], mistakes: list[str]
) -> None:
    found = lines(server(text, variables, *assignments))
    assert len(found) == len(mistakes)
    for line, mistake in zip(found, mistakes, strict=True):
        assert line == mistake if mistake.endswith(".") else line.startswith(mistake)


@pytest.mark.parametrize(
    ("text", "variables", "assignments", "told"),
    [
        (FIXED + RATE, {}, (), ("fixed", 2_500_000)),
        (FIXED, {"GINNEL_RATE": "8 Mbit/s"}, (), ("fixed", 1_000_000)),
        (RATE, {}, ("congestion=fixed",), ("fixed", 2_500_000)),
        # What is below goes with what is overridden.
        (FIXED + RATE, {"GINNEL_CONGESTION": "cubic"}, (), ("cubic", None)),
        (FIXED, {"GINNEL_RATE": "8 Mbit/s"}, ("congestion=adaptive",), ("adaptive", None)),
    ],
)
def test_a_higher_layer_chooses_another_controller(
    text: str, variables: dict[str, str], assignments: tuple[str, ...], told: tuple[str, float | None]
) -> None:
    loaded = server(text, variables, *assignments)
    assert loaded.usable().engine_congestion() == told
    assert ("rate" in loaded.origins) == (told[0] == "fixed")


WINDOW = "[kcp]\nwindow = 2048\n"
NO_WINDOW = "kcp.window = 2048 counts only where kcp.mode is one of normal, fast, fast2, fast3, and it is "
OUT = ". Take it out: auto follows the path."


@pytest.mark.parametrize(
    ("text", "variables", "assignments", "mistake"),
    [
        (WINDOW, {}, (), f'server.toml:3: {NO_WINDOW}"auto" (the default){OUT}'),
        (WINDOW + 'mode = "auto"', {}, (), f'server.toml:3: {NO_WINDOW}"auto" (server.toml:4){OUT}'),
        ("", {"GINNEL_KCP_WINDOW": "2,048"}, (), f'$GINNEL_KCP_WINDOW: {NO_WINDOW}"auto" (the default){OUT}'),
        (WINDOW + 'mode = "fats"', {}, (), "server.toml:4: kcp.mode = "),
        (
            WINDOW + "lanes = 20",
            {},
            ("kcp.mode=fast",),
            "server.toml:4: kcp.lanes = 20 is too large. Allowed: 1",
        ),
    ],
)
def test_a_window_goes_with_the_fixed_modes(
    text: str, variables: dict[str, str], assignments: tuple[str, ...], mistake: str
) -> None:
    (found,) = lines(server(text, variables, *assignments))
    assert found.startswith(mistake)


def test_a_higher_layer_chooses_how_kcp_sends() -> None:
    fixed = server(WINDOW + 'mode = "fast2"\nlanes = 4')
    assert fixed.usable().kcp.engine() == ("fast2", 4, 2048)
    # The window goes with what is overridden.
    auto = server(WINDOW + 'mode = "fast2"\nlanes = 4', {"GINNEL_KCP_MODE": "auto"})
    assert auto.usable().kcp.engine() == ("auto", 4, None)
    assert "kcp.window" not in auto.origins
    other = server(WINDOW, {}, "kcp.mode=fast3", "session=kcp")
    assert other.usable().kcp.engine() == ("fast3", 8, 2048)
    assert other.usable().session == "kcp"


def test_mistakes_in_listeners_have_their_own_lines() -> None:
    written("link.txt", LINK.to_text())
    head = 'link_file = "link.txt"\n'
    assert lines(client(head + '[[socks5]]\nlisten = 1\n[[socks5]]\nlisten = 2\nusrname = "x"')) == [
        "client.toml:7: unknown key 'usrname' in socks5[1]. Did you mean 'username'?"
        " Known: listen, username, password, password_file."
    ]
    assert lines(client(head + 'socks5 = [\n  "1",\n  "x:y",\n]'))[0].startswith(
        "client.toml:5: socks5[1] = 'x:y' has no valid port."
    )
    assert lines(client(head, {"GINNEL_SOCKS5": "x:y"}))[0].startswith(
        "$GINNEL_SOCKS5 = 'x:y' has no valid port."
    )


def test_relative_paths_count_from_the_file(here: Path) -> None:
    (here / "etc").mkdir()
    (here / "etc" / "link.txt").write_text(LINK.to_text())
    (here / "etc" / "password").write_text("pass\n")
    path = written(
        "etc/client.toml",
        'role = "client"\nlink_file = "link.txt"\n'
        '[socks5]\nlisten = 1\nusername = "me"\npassword_file = "password"',
    )
    config = Source(file=path).load().usable()
    assert isinstance(config, ClientConfig)
    assert (config.link, config.socks5[0].reveal_password()) == (LINK, "pass")
    state = Source(file=written("etc/server.toml", 'role = "server"\nstate = "keys"')).load().usable()
    assert isinstance(state, ServerConfig)
    assert state.state == Path("etc/keys")
    # Those of flags and variables count from where the person is.
    flagged = Source(role="server", flags={"state": ("--state", "keys")}).load().usable()
    assert isinstance(flagged, ServerConfig)
    assert flagged.state == Path("keys")


@pytest.mark.parametrize(
    ("text", "variables", "assignments", "link", "origin"),
    [
        ("link_file = 'link.txt'", {}, (), LINK, "link_file"),
        (f"link = '{LINK.to_text()}'", {}, (), LINK, "link"),
        ("link_file = 'link.txt'", {"GINNEL_LINK": OTHER.to_text()}, (), OTHER, "link"),
        (f"link = '{LINK.to_text()}'", {}, ("link_file=other.txt",), OTHER, "link_file"),
    ],
)
def test_the_share_link_of_the_highest_layer_counts_in_either_form(
    text: str, variables: dict[str, str], assignments: tuple[str, ...], link: object, origin: str
) -> None:
    written("link.txt", LINK.to_text())
    written("other.txt", OTHER.to_text())
    loaded = client(text, variables, *assignments)
    config = loaded.usable()
    assert isinstance(config, ClientConfig)
    assert config.link == link
    assert {"link", "link_file"} & set(loaded.origins) == {origin}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "client.toml: no share link is given. Write link_file"),
        (
            "link_file = 'nowhere'",
            "client.toml:2: link_file: nowhere cannot be read: No such file or directory",
        ),
        ("link_file = '.'", "client.toml:2: link_file: . is a directory, not a file"),
        ("link_file = 'bad.txt'", "client.toml:2: link_file: the share link is cut off"),
        ("link = 'ginnel://SECRET'", "client.toml:2: link: the share link "),
        ("link = 5", "client.toml:2: link = 5 is not a string"),
        ("link = 'x'\nlink_file = 'bad.txt'", "client.toml:2: link: "),
    ],
)
def test_share_links_that_cannot_be_used(text: str, error: str) -> None:
    written("bad.txt", LINK.to_text()[:-1])
    found = lines(client(text))
    assert found[0].startswith(error)
    assert "SECRET" not in str(found)


def test_two_share_links_in_one_file() -> None:
    written("link.txt", LINK.to_text())
    (found,) = lines(client(f"link = '{LINK.to_text()}'\nlink_file = 'link.txt'"))
    assert found == "client.toml:3: both link and link_file are given. Take one of them out."


def test_a_share_link_file_that_others_can_read_is_warned_about() -> None:
    written("link.txt", LINK.to_text(), mode=0o644)
    loaded = client("link_file = 'link.txt'")
    assert loaded.mistakes == ()
    assert loaded.warnings == ("link.txt holds a share link and is open to others; chmod 600 'link.txt'",)


def test_secrets_are_in_no_repr_and_no_mistake() -> None:
    text = LINK.to_text()
    piece = text.removeprefix("ginnel://")[:12]
    source = Source(
        role="client",
        variables={
            "GINNEL_LINK": text,
            "GINNEL_LISTEN": text,
            "GINNEL_DRAIN": text,
            "GINNEL_LOG_LEVEL": text,
        },
        assignments=[f"limits.memory={text}", f"connect_timeout={text}", f"socks5={text}", text],
    )
    loaded = source.load()
    assert len(loaded.mistakes) == 6
    everything = f"{source!r} {loaded!r} {lines(loaded)}"
    assert piece not in everything
    assert piece.lower() not in everything.lower()
    bad = client(f"socks5 = '{text}'\ndrain = '{text}'\nlink = '{text[:-3]}'\nkeep_trying = '{text}'")
    assert len(bad.mistakes) == 4
    assert piece not in f"{bad!r} {lines(bad)}"


def test_a_file_without_a_role_is_one_mistake() -> None:
    loaded = Source(file=written("a.toml", "listne = 1")).load()
    assert loaded.role is None
    assert lines(loaded) == [
        'a.toml: the file does not say its role. Write at the top: role = "server" or role = "client".'
    ]


def test_a_profile_as_a_word_and_as_a_table() -> None:
    for text in ('profile = "light"', '[profile]\npreset = "light"', 'profile.preset = "light"'):
        assert server(text).usable().profile == ProfileConfig(preset="light")
    config = server("[profile]\njunk_count = [0, 5]\nsegment_cut = [7, 7]").usable()
    assert config.profile == ProfileConfig(junk_count=(0, 5), segment_cut=(7, 7))


def test_a_profile_from_variables_and_flags() -> None:
    loaded = server('profile = "light"', {"GINNEL_PROFILE": "balanced", "GINNEL_PROFILE_JUNK_COUNT": "1-2"})
    assert loaded.usable().profile == ProfileConfig(preset="balanced", junk_count=(1, 2))
    assert str(loaded.origins["profile.preset"]) == "$GINNEL_PROFILE"
    assert loaded.warnings == ()
    assignments = "profile=light", "profile.junk_size=[9, 90]"
    config = server('profile = "balanced"', {}, *assignments).usable()
    assert config.profile == ProfileConfig(preset="light", junk_size=(9, 90))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            'profile = "heavy"',
            'server.toml:2: profile.preset = "heavy" is not one of its words. One of: light, balanced.',
        ),
        (
            "profile = 5",
            "server.toml:2: profile = 5 is not a table. Write [profile], and below it such as preset",
        ),
        ("[profile]\njunk_cuont = [1, 2]", "server.toml:3: unknown key 'profile.junk_cuont'. Did you mean"),
        (
            "[profile]\njunk_count = [3, 17]",
            "server.toml:3: profile.junk_count = [3, 17] is out of range. Allowed: 0 to 16. Both numbers.",
        ),
        (
            "[profile]\njunk_count = [3, 1]",
            "server.toml:3: profile.junk_count = [3, 1] is the wrong way round. Write [1, 3]: the least first.",
        ),
        (
            "[profile]\njunk_count = 3",
            "server.toml:3: profile.junk_count is not a pair of whole numbers. Write the",
        ),
        (
            "[profile]\njunk_count = [1, 2, 3]",
            "server.toml:3: profile.junk_count is not a pair of whole numbers.",
        ),
        (
            "[profile]\njunk_count = [1, true]",
            "server.toml:3: profile.junk_count is not a pair of whole numbers.",
        ),
    ],
)
def test_impossible_profiles_are_told_with_field_value_and_range(text: str, line: str) -> None:
    (found,) = lines(server(text))
    assert found.startswith(line)


def test_ports_are_named_or_their_number_is() -> None:
    (found,) = lines(server("listen = 4433\nports = 5"))
    assert found == (
        "server.toml:3: both listen and ports are given."
        " listen says which ports, ports how many to draw: take one of them out."
    )
    # A higher layer has chosen the other way.
    config = server("listen = 4433", {"GINNEL_PORTS": "5"}).usable()
    assert isinstance(config, ServerConfig)
    assert (config.listen, config.ports) == (None, 5)
    config = server("ports = 5", {}, "listen=1-2").usable()
    assert isinstance(config, ServerConfig)
    assert ([str(place) for place in config.listen or ()], config.ports) == (["0.0.0.0:1-2"], None)
    (found,) = lines(server("ports = 257"))
    assert found == "server.toml:2: ports = 257 is too large. Allowed: 1 to 256."
