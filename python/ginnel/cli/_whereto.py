"""Where a look at the network leads: to servers of a share link or a configuration, to a host, to the Internet."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ginnel.cli._arguments import Parser, add_carrier, add_interface
from ginnel.cli._settings import carrier_of, rawtcp_of, take_environment
from ginnel.cli._source import VARIABLE, resolve_link
from ginnel.config.address import normal_host
from ginnel.config.carrier import Carrier
from ginnel.config.linktext import SCHEME
from ginnel.config.load import Source
from ginnel.config.values import ClientConfig, Config, ServerConfig
from ginnel.doctor.finding import Wanted
from ginnel.errors import ConfigError


def add_whereto(parser: Parser, *, carrier: bool = False) -> None:
    """Add the argument that says where to, --interface, and --carrier where it makes a difference."""
    parser.add_argument(
        "where",
        metavar="LINK|HOST|FILE",
        nargs="*",
        help="a share link or a file that holds one, a host or an address, or a configuration file (.toml);"
        " without it, $GINNEL_LINK or the Internet",
    )
    if carrier:
        add_carrier(parser)
    else:
        parser.set_defaults(carrier=None)
    add_interface(parser)


def whereto(parsed: argparse.Namespace) -> Wanted:
    """Read these arguments. Raises ConfigError."""
    carrier, interface = carrier_of(parsed), rawtcp_of(parsed).interface
    wanted = _whereto(parsed.where, carrier)
    return wanted if interface is None else replace(wanted, interface=interface)


def _whereto(words: Sequence[str], carrier: Carrier | None) -> Wanted:
    if not words:
        if os.environ.get(VARIABLE, "").strip():
            return _of_link((), carrier)
        return Wanted(rawtcp=carrier == "rawtcp")
    first = words[0].strip()
    if len(words) == 1 and first.lower().endswith(".toml"):
        return _of_config(Source(file=Path(first), variables=take_environment()).load().usable(), carrier)
    if SCHEME in first.lower() or first == "-" or (first and Path(first).is_file()):
        return _of_link(words, carrier)
    os.environ.pop(VARIABLE, None)
    if len(words) > 1:
        raise ConfigError(
            "more than one host given", hint="One at a time, or a share link in quotation marks."
        )
    return Wanted(hosts=(normal_host(first),), rawtcp=carrier == "rawtcp")


def _of_link(words: Sequence[str], carrier: Carrier | None) -> Wanted:
    return _of_client(ClientConfig.build(link=resolve_link(words), carrier=carrier))


def _of_config(config: Config, carrier: Carrier | None) -> Wanted:
    if isinstance(config, ServerConfig):
        return _of_server(config, carrier)
    return _of_client(config if carrier is None else config.model_copy(update={"carrier": carrier}))


def _of_client(config: ClientConfig) -> Wanted:
    servers = config.own_servers()
    return Wanted(
        hosts=tuple(dict.fromkeys(server.host for server in servers)),
        ports=",".join(dict.fromkeys(str(server.ports) for server in servers)),
        # With another carrier to go on with, what raw TCP lacks keeps no client from its server.
        rawtcp=all(server.carrier == "rawtcp" for server in servers),
        interface=config.rawtcp.interface,
        source=config.rawtcp.source,
        role="client",
    )


def _of_server(config: ServerConfig, carrier: Carrier | None) -> Wanted:
    return Wanted(
        ports=",".join(dict.fromkeys(str(place.ports) for place in config.listen or ())),
        # A server that cannot listen with one of its carriers does not start.
        rawtcp="rawtcp" in config.carriers() if carrier is None else carrier == "rawtcp",
        interface=config.rawtcp.interface,
        role="server",
    )
