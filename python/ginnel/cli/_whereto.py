"""Where a look at the network leads: to servers of a share link or a configuration, to a host, to the Internet."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ginnel.cli._settings import take_environment
from ginnel.cli._source import VARIABLE, resolve_link
from ginnel.config.address import normal_host
from ginnel.config.linktext import SCHEME
from ginnel.config.load import Source
from ginnel.config.sharelink import ShareLink
from ginnel.config.values import ClientConfig, Config
from ginnel.doctor.finding import Wanted
from ginnel.errors import ConfigError


def whereto(words: Sequence[str]) -> Wanted:
    """Read an argument: a share link (whole, torn, a file, -), a configuration file, or a host; none: $GINNEL_LINK.

    Raises ConfigError.
    """
    if not words:
        return _of_link(resolve_link(())) if os.environ.get(VARIABLE, "").strip() else Wanted()
    first = words[0].strip()
    if len(words) == 1 and first.lower().endswith(".toml"):
        return _of_config(Source(file=Path(first), variables=take_environment()).load().usable())
    if SCHEME in first.lower() or first == "-" or (first and Path(first).is_file()):
        return _of_link(resolve_link(words))
    os.environ.pop(VARIABLE, None)
    if len(words) > 1:
        raise ConfigError(
            "more than one host given", hint="One at a time, or a share link in quotation marks."
        )
    return Wanted(hosts=(normal_host(first),))


def _of_link(link: ShareLink) -> Wanted:
    return Wanted(**_to_servers(link.servers), role="client")


def _of_config(config: Config) -> Wanted:
    rawtcp = getattr(config, "rawtcp", None)
    source = getattr(rawtcp, "source", None)
    own: dict[str, Any] = {
        "interface": getattr(rawtcp, "interface", None),
        "source": None if source is None else str(source),
    }
    if isinstance(config, ClientConfig):
        servers = getattr(config, "own_servers", lambda: config.link.servers)()
        return Wanted(**_to_servers(servers), **own, role="client")
    listen = config.listen
    places: tuple[Any, ...] = (
        listen if isinstance(listen, tuple) and not hasattr(listen, "ports") else (listen,)
    )
    ports = dict.fromkeys(str(place.ports) for place in places if place is not None)
    return Wanted(
        ports=",".join(ports), rawtcp="rawtcp" in getattr(config, "carriers", ()), **own, role="server"
    )


def _to_servers(servers: Sequence[Any]) -> dict[str, Any]:
    return {
        "hosts": tuple(dict.fromkeys(server.host for server in servers)),
        "ports": ",".join(dict.fromkeys(str(server.ports) for server in servers)),
        "rawtcp": any(getattr(server, "carrier", "udp") == "rawtcp" for server in servers),
    }
