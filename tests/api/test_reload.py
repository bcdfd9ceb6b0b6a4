"""A new configuration in a client or server that runs."""

from pathlib import Path
from typing import Any

import pytest

from ginnel._setup import PLAIN_KCP
from ginnel.api.client import Client
from ginnel.api.links import stored_link
from ginnel.api.server import Server
from ginnel.config.address import Endpoint
from ginnel.config.kcp import KcpConfig
from ginnel.config.limits import Limits, Timeouts
from ginnel.config.logs import LogConfig
from ginnel.config.ports import Ports
from ginnel.config.profile import ProfileConfig
from ginnel.config.sharelink import ShareLink
from ginnel.config.values import ClientConfig, ServerConfig
from ginnel.errors import ClosedError, ConfigError
from tests.fake_engine import REFUSED_STREAMS, Engine

RELOADING = ("set_limits", "set_log", "set_allow_private")


def commands(engine: Engine) -> list[tuple[Any, ...]]:
    """What a reload told the engine."""
    return [call for call in engine.calls if call[0] in RELOADING]


async def test_an_engine_starts_with_its_limits_and_levels(
    engines: list[Engine], state: Path, client: Client
) -> None:
    limits, timeouts = Limits(tcp_buffer_bytes=4096), Timeouts(step_seconds=1.0)
    async with Server(state=state, limits=limits, timeouts=timeouts, log=LogConfig(level="debug")):
        told = engines[1].config
    assert (told.limits["tcp_buffer"], told.limits["step"], told.limits["links"]) == (4096, 1.0, 4096)
    assert told.log == {"": "debug"}
    assert engines[0].config.limits["tcp_buffer"] == 32 * 1024
    # What people call `hop`.
    assert engines[0].config.limits["hop_interval"] == 30
    assert engines[0].config.log == {"": "info"}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, []),
        ({"drain_seconds": 9.0}, []),
        ({"listen": (Endpoint("::1", Ports.one(5)),)}, []),
        ({"allow_private": True}, [("set_allow_private", True)]),
        (
            {"log": LogConfig(areas={"link": "off", "users": "off"})},
            [("set_log", {"": "info", "link": "off"})],
        ),
        ({"log": LogConfig(format="json")}, []),
    ],
)
async def test_only_what_differs_is_touched(
    engines: list[Engine], state: Path, settings: dict[str, Any], told: list[tuple[Any, ...]]
) -> None:
    async with Server(state=state) as server:
        report = await server.reload(ServerConfig.build(**{"state": state, **settings}))
        assert commands(engines[0]) == told
        assert bool(report.applied + report.waiting) == bool(settings)


async def test_limits_are_replaced_as_a_whole(engines: list[Engine], client: Client) -> None:
    new = client.config.model_copy(update={"limits": Limits(streams=9).filled("client")})
    report = await client.reload(new)
    (command,) = commands(engines[0])
    assert command == (
        "set_limits",
        new.engine_limits(),
        ("adaptive", None),
        new.own_profile().pairs(),
        PLAIN_KCP,
    )
    assert command[1]["streams"] == 9
    assert command[1]["keep_alive"] == 25
    assert [str(change) for change in report.applied] == ["limits.streams: 8,192 is now 9, at once"]
    assert client.config == new
    assert (await client.reload(new)).lines == ("nothing has changed",)
    assert len(commands(engines[0])) == 1


@pytest.mark.parametrize("role", ["server", "client"])
async def test_congestion_is_told_at_the_start_and_at_each_change(
    engines: list[Engine], state: Path, client: Client, role: str
) -> None:
    fixed: dict[str, Any] = {"congestion": "fixed", "rate_bits_per_second": 20_000_000}
    end: Server | Client = (
        Server(state=state, **fixed) if role == "server" else Client(client.config.link, **fixed)
    )
    async with end:
        engine = engines[-1]
        assert engine.config.congestion == ("fixed", 2_500_000)
        for change, told in (
            ({"rate_bits_per_second": 8_000_000}, ("fixed", 1_000_000)),
            ({"congestion": "cubic", "rate_bits_per_second": None}, ("cubic", None)),
        ):
            new = end.config.model_copy(update=change)
            report = await end.reload(new)  # type: ignore[arg-type]  # of the same role
            assert commands(engine)[-1] == (
                "set_limits",
                new.engine_limits(),
                told,
                engine.config.profile,
                PLAIN_KCP,
            )
            assert {one.key for one in report.applied} == {
                {"rate_bits_per_second": "rate"}.get(key, key) for key in change
            }
        assert end.config.engine_congestion() == ("cubic", None)
    assert engines[0].config.congestion == ("adaptive", None)


async def test_a_drain_that_was_reloaded_is_the_one_at_the_end(engines: list[Engine], state: Path) -> None:
    server = Server(state=state)
    await server.start()
    await server.reload(ServerConfig.build(state=state, drain_seconds=9.0))
    await server.aclose()
    assert ("shutdown", 9.0) in engines[0].calls


async def test_what_waits_for_the_next_start_is_told_until_then(engines: list[Engine], state: Path) -> None:
    async with Server(state=state) as server:
        new = ServerConfig.build(state=state, listen=(Endpoint("::1", Ports.one(5)),))
        for _ in range(2):
            report = await server.reload(new)
            assert [change.key for change in report.waiting] == ["listen"]
        assert server.config.listen is None


async def test_what_the_engine_refuses_changes_nothing(engines: list[Engine], state: Path) -> None:
    async with Server(state=state) as server:
        before = server.config
        with pytest.raises(ConfigError, match="streams is refused"):
            await server.reload(
                ServerConfig.build(
                    state=state,
                    limits=Limits(streams=REFUSED_STREAMS),
                    allow_private=True,
                    log=LogConfig(level="off"),
                )
            )
        assert server.config is before
        assert commands(engines[0]) == []


async def test_levels_that_the_engine_refuses_take_the_limits_back(
    engines: list[Engine], state: Path
) -> None:
    async with Server(state=state) as server:
        before = server.config
        loud = LogConfig.model_construct(level="loud")  # type: ignore[arg-type]  # a newer one could have it
        update = {"log": loud, "limits": Limits(links=9).filled("server"), "congestion": "cubic"}
        new = before.model_copy(update=update)
        with pytest.raises(ConfigError, match="'loud' is no level"):
            await server.reload(new)
        assert commands(engines[0]) == [
            ("set_limits", new.engine_limits(), ("cubic", None), engines[0].config.profile, PLAIN_KCP),
            ("set_limits", before.engine_limits(), ("adaptive", None), engines[0].config.profile, PLAIN_KCP),
        ]
        assert server.config is before


async def test_before_its_start_there_is_nothing_to_reload(state: Path) -> None:
    server = Server(state=state)
    with pytest.raises(ClosedError):
        await server.reload(server.config)


async def test_a_whole_configuration_makes_the_same(
    engines: list[Engine], state: Path, client: Client
) -> None:
    assert Server.from_config(ServerConfig.build(state=state)).config == Server(state=state).config
    assert Client.from_config(client.config).config == Client(client.config.link).config
    assert isinstance(client.config, ClientConfig)


async def test_a_client_that_keeps_trying_starts_without_an_answer(
    engines: list[Engine], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "answer_connect", False)
    async with Client(client.config.link, keep_trying=True) as trying:
        assert trying.link is None
        assert (await trying.socks5("127.0.0.1:0")).address.port == 1081
        assert not any(call[0] == "connect" for call in engines[1].calls)


async def test_a_profile_is_told_to_the_engine_and_kept(engines: list[Engine], state: Path) -> None:
    async with Server(state=state) as server:
        first = engines[0].config.profile
        new = server.config.model_copy(update={"profile": ProfileConfig(junk_count=(0, 0))})
        report = await server.reload(new)
        assert [str(change) for change in report.applied] == [
            "profile.junk_count: the default is now 0 to 0, for new links and streams"
        ]
        assert commands(engines[0])[-1][3] == {**first, "junk_count": (0, 0)}
        light = server.config.model_copy(update={"profile": ProfileConfig(preset="light")})
        await server.reload(light)
        drawn = commands(engines[0])[-1][3]
        assert drawn["burst_packets"][1] <= 8
        # What is refused is not kept.
        bad = light.model_copy(
            update={"profile": ProfileConfig(preset="balanced"), "limits": Limits(streams=REFUSED_STREAMS)}
        )
        with pytest.raises(ConfigError):
            await server.reload(bad)
        assert server.config == light
    async with Server(state=state):
        assert engines[1].config.profile == drawn


async def test_a_clients_profile_is_told_too(engines: list[Engine], client: Client) -> None:
    new = client.config.model_copy(update={"profile": ProfileConfig(preset="light")})
    await client.reload(new)
    assert commands(engines[0])[-1] == (
        "set_limits",
        new.engine_limits(),
        ("adaptive", None),
        new.own_profile().pairs(),
        PLAIN_KCP,
    )
    assert new.own_profile().preset == "light"


@pytest.mark.parametrize("role", ["server", "client"])
async def test_how_kcp_sends_is_told_at_the_start_and_at_each_change(
    engines: list[Engine], state: Path, client: Client, role: str
) -> None:
    kcp = KcpConfig(mode="fast3", lanes=4)
    end: Server | Client = (
        Server(state=state, kcp=kcp) if role == "server" else Client(client.config.link, kcp=kcp)
    )
    async with end:
        assert engines[-1].config.kcp == ("fast3", 4, 1024)
        new = end.config.model_copy(update={"kcp": KcpConfig(lanes=4)})
        report = await end.reload(new)  # type: ignore[arg-type]  # of the same role
        assert [change.key for change in report.applied] == ["kcp.mode"]
        assert commands(engines[-1])[-1][4] == ("auto", 4, None)
    assert engines[0].config.kcp == PLAIN_KCP


async def test_share_links_ask_for_the_session_that_a_reload_has_told(
    engines: list[Engine], state: Path
) -> None:
    async with Server(state=state, listen="127.0.0.1:4433") as server:
        before = server.share_link()
        await server.reload(server.config.model_copy(update={"session": "kcp"}))
        # The engine serves both, and need not know.
        assert commands(engines[0]) == []
        after = ShareLink.parse(server.share_link())
        assert after == ShareLink.parse(before).model_copy(update={"session": "kcp"})
        assert stored_link(state, "default")[0] == after


async def test_a_clients_session_and_number_of_links_wait_for_the_next_start(
    engines: list[Engine], client: Client
) -> None:
    report = await client.reload(client.config.model_copy(update={"session": "kcp", "links": 3}))
    assert [change.key for change in report.waiting] == ["session", "links"]
    assert (client.config.session, client.config.links) == (None, 1)
    assert commands(engines[0]) == []
