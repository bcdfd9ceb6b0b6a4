"""Settings of a command: its flags and the environment as layers, what they say that is odd, and `--set`."""

import argparse
import os
import re
from pathlib import Path

from ginnel.cli._log import Flags, all_levels, install
from ginnel.cli._source import VARIABLE
from ginnel.cli._terminal import Terminal
from ginnel.config.carrier import CARRIERS, Carrier
from ginnel.config.layers import PREFIX
from ginnel.config.load import Loaded
from ginnel.config.mistakes import is_link
from ginnel.config.rawtcp import INTERFACE, RawTcpConfig
from ginnel.config.settings import SETTINGS
from ginnel.config.values import ClientConfig, Config, ServerConfig
from ginnel.errors import ConfigError


def take_environment() -> dict[str, str]:
    """Return the variables of ginnel. $GINNEL_LINK is removed, used or not, so that no child process gets it."""
    variables = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    os.environ.pop(VARIABLE, None)
    if not variables.get(VARIABLE, "").strip():
        variables.pop(VARIABLE, None)
    return variables


def drain_flags(parsed: argparse.Namespace) -> Flags:
    """The setting that --drain gives, if it was given; a bare number counts seconds."""
    if parsed.drain is None:
        return {}
    bare = re.fullmatch(r" *[0-9]+(\.[0-9]+)? *", parsed.drain)
    return {"drain": ("--drain", f"{parsed.drain.strip()}s" if bare else parsed.drain)}


def profile_flags(parsed: argparse.Namespace) -> Flags:
    """The setting that --profile gives, if it was given."""
    return {} if parsed.profile is None else {"profile.preset": ("--profile", parsed.profile)}


def session_flags(parsed: argparse.Namespace) -> Flags:
    """The setting that --session gives, if it was given."""
    return {} if parsed.session is None else {"session": ("--session", parsed.session)}


def carrier_flags(parsed: argparse.Namespace) -> Flags:
    """The setting that --carrier gives, if it was given."""
    return {} if parsed.carrier is None else {"carrier": ("--carrier", parsed.carrier)}


def carrier_of(parsed: argparse.Namespace) -> Carrier | None:
    """The carrier that --carrier names, of a command without further settings."""
    if parsed.carrier is None:
        return None
    word = SETTINGS["client"]["carrier"].kind.read(parsed.carrier, "--carrier")
    return next(carrier for carrier in CARRIERS if carrier == word)


def rawtcp_of(parsed: argparse.Namespace) -> RawTcpConfig:
    """What --interface decides, of a command without further settings."""
    if parsed.interface is None:
        return RawTcpConfig()
    return RawTcpConfig(interface=INTERFACE.read(parsed.interface, "--interface"))


def interface_flags(parsed: argparse.Namespace) -> Flags:
    """The setting that --interface gives, if it was given."""
    return {} if parsed.interface is None else {"rawtcp.interface": ("--interface", parsed.interface)}


def listed_flags(parsed: argparse.Namespace, *keys: str) -> Flags:
    """Settings whose flags may be given several times, those that were."""
    given = {key: values for key in keys if (values := getattr(parsed, key))}
    return {key: (f"--{key}", values if len(values) > 1 else values[0]) for key, values in given.items()}


def key_log_flags(parsed: argparse.Namespace) -> Flags:
    """The setting that --key-log gives, if it was given."""
    return {} if parsed.key_log is None else {"key_log": ("--key-log", parsed.key_log)}


def server_config(loaded: Loaded, terminal: Terminal) -> ServerConfig:
    """The server's configuration, after its warnings. Raises the first mistake."""
    config = _usable(loaded, terminal)
    if not isinstance(config, ServerConfig):
        raise ConfigError("these are the settings of a client")
    return config


def client_config(loaded: Loaded, terminal: Terminal) -> ClientConfig:
    """The client's configuration, after its warnings. Raises the first mistake."""
    config = _usable(loaded, terminal)
    if not isinstance(config, ClientConfig):
        raise ConfigError("these are the settings of a server")
    return config


def _usable(loaded: Loaded, terminal: Terminal) -> Config:
    if loaded.config is not None:
        install(all_levels(loaded.config.log), loaded.config.log.format, terminal)
    elif loaded.log_format is not None:
        Terminal.is_json = loaded.log_format == "json"
    for warning in loaded.warnings:
        terminal.warn(warning)
    return loaded.usable()


def file_path(text: str) -> Path:
    """The configuration file that an argument names."""
    if not text.strip():
        raise ConfigError("no configuration file given", hint="Such as:  ginnel run -c server.toml")
    if is_link(text):
        raise ConfigError(
            "this is a share link, and no configuration file",
            hint="ginnel client 'ginnel://…'\nOr in a configuration file:  link = \"ginnel://…\"",
        )
    return Path(text)
