"""Where settings come from besides a file."""

import pytest

from ginnel.config.layers import DEFAULT, Given, Mistake, Origin, environment_layer, flags_layer


def test_origins_are_named_as_people_write_them() -> None:
    assert str(Origin("flag", "--listen")) == "--listen"
    assert str(Origin("environment", "GINNEL_LISTEN")) == "$GINNEL_LISTEN"
    assert str(Origin("file", "server.toml", 4)) == "server.toml:4"
    assert str(Origin("file", "server.toml")) == "server.toml"
    assert str(DEFAULT) == "default"


def test_a_raw_value_is_in_no_repr() -> None:
    assert "SECRET" not in repr(Given("SECRET", DEFAULT))


def test_variables_are_keys_in_capitals() -> None:
    variables = {
        "GINNEL_LISTEN": "1",
        "GINNEL_LIMITS_TCP_BUFFER": "2",
        "GINNEL_LOG_LEVEL": "3",
        "GINNEL_LOG_AREAS_LINK": "4",
        "GINNEL_TIMEOUTS_LINK_IDLE": "5",
        "GINNEL_SOCKS5": "of a client",
        "LISTEN": "not ours",
    }
    layer, warnings = environment_layer("server", variables)
    assert {key: given.value for key, given in layer.items()} == {
        "listen": "1",
        "limits.tcp_buffer": "2",
        "log.level": "3",
        "log.areas.link": "4",
        "timeouts.link_idle": "5",
    }
    assert str(layer["limits.tcp_buffer"].origin) == "$GINNEL_LIMITS_TCP_BUFFER"
    assert warnings == []


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("GINNEL_LISTNE", "GINNEL_LISTEN"),
        ("GINNEL_TCP_BUFFER", "GINNEL_LIMITS_TCP_BUFFER"),
        ("GINNEL_E2E_COMMAND", None),
        ("GINNEL_HOME", None),
        ("GINNE_LISTEN", None),
    ],
)
def test_a_variable_near_a_known_one_is_warned_about(name: str, guess: str | None) -> None:
    layer, warnings = environment_layer("server", {name: "SECRET"})
    assert layer == {}
    assert warnings == ([f"${name} is not known and has no effect. Did you mean {guess!r}?"] if guess else [])


def test_flags_and_assignments() -> None:
    layer, mistakes = flags_layer(
        "server", {"listen": ("--listen", "1"), "drain": ("--drain", "2s")}, ["drain=3s", " log.level = a=b "]
    )
    assert mistakes == []
    assert {key: (given.value, str(given.origin)) for key, given in layer.items()} == {
        "listen": ("1", "--listen"),
        "drain": ("3s", "--set drain"),
        "log.level": (" a=b ", "--set log.level"),
    }


@pytest.mark.parametrize(
    ("assignment", "mistake"),
    [
        (
            "drain",
            "--set 'drain' has no value. Write --set KEY=VALUE, such as --set limits.tcp_buffer=64KiB.",
        ),
        ("drian=1s", "--set: unknown key 'drian'. Did you mean 'drain'?"),
        ("socks5=1", "--set: socks5 belongs to a client, and this is a server. Take it out."),
        ("role=client", "--set: unknown key 'role'."),
        ("ginnel://SECRET", "--set '(secret)' has no value."),
        ("ginnel://SECRET=", "--set: unknown key '(secret)'."),
    ],
)
def test_assignments_that_set_nothing(assignment: str, mistake: str) -> None:
    layer, mistakes = flags_layer("server", {}, [assignment])
    assert layer == {}
    assert len(mistakes) == 1
    assert mistakes[0].line.startswith(mistake)
    assert "SECRET" not in repr(mistakes)


def test_a_mistake_in_one_line_and_as_an_error() -> None:
    mistake = Mistake(DEFAULT, "a is wrong", "Write b.\nOr c.", "a")
    assert mistake.line == "a is wrong. Write b. Or c."
    assert Mistake(DEFAULT, "a is wrong").line == "a is wrong"
    error = mistake.to_error()
    assert (str(error), error.hint, error.setting) == ("a is wrong", "Write b.\nOr c.", "a")
