"""Flags and the environment as layers."""

import argparse
import os

import pytest

from ginnel.cli._settings import client_config, drain_flags, file_path, server_config, take_environment
from ginnel.cli._terminal import Terminal
from ginnel.config.load import Loaded, Source
from ginnel.errors import ConfigError
from tests.config.test_values import LINK


def test_the_share_link_leaves_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GINNEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GINNEL_LINK", "ginnel://x")
    monkeypatch.setenv("GINNEL_LISTEN", "5")
    monkeypatch.setenv("OTHER", "6")
    assert take_environment() == {"GINNEL_LINK": "ginnel://x", "GINNEL_LISTEN": "5"}
    assert "GINNEL_LINK" not in os.environ
    monkeypatch.setenv("GINNEL_LINK", "  ")
    assert take_environment() == {"GINNEL_LISTEN": "5"}


@pytest.mark.parametrize(
    ("given", "value"), [("4", "4s"), (" 0.5", "0.5s"), ("4m", "4m"), ("x", "x"), ("", "")]
)
def test_a_bare_drain_counts_seconds(given: str, value: str) -> None:
    assert drain_flags(argparse.Namespace(drain=given)) == {"drain": ("--drain", value)}
    assert drain_flags(argparse.Namespace(drain=None)) == {}


def test_warnings_come_before_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    loaded = Source(role="server", variables={"GINNEL_LISTNE": "1"}, assignments=["x"]).load()
    with pytest.raises(ConfigError, match="has no value"):
        server_config(loaded, Terminal(quiet=True))
    assert "$GINNEL_LISTNE is not known" in capsys.readouterr().err


def test_the_settings_of_the_other_role() -> None:
    server = Source(role="server").load()
    client = Source(role="client", flags={"link": ("LINK", LINK)}).load()
    assert server_config(server, Terminal()) is server.config
    assert client_config(client, Terminal()) is client.config
    with pytest.raises(ConfigError, match="settings of a server"):
        client_config(server, Terminal())
    with pytest.raises(ConfigError, match="settings of a client"):
        server_config(client, Terminal())
    with pytest.raises(ConfigError):
        server_config(Loaded(None), Terminal())


def test_an_empty_name_of_a_file() -> None:
    with pytest.raises(ConfigError, match="no configuration file given"):
        file_path(" ")
