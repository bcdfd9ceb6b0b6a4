"""The server: keys, port, users, state, close."""

import asyncio
import errno
import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from ginnel.api import served as served_module
from ginnel.api.client import Client
from ginnel.api.events import Event, LinkUp
from ginnel.api.links import StoredUsers, stored_link
from ginnel.api.server import DRAWN_PORTS, Server
from ginnel.config.logs import LogConfig
from ginnel.config.ports import Ports
from ginnel.config.profile import Preset, Profile, ProfileConfig
from ginnel.config.roster import User
from ginnel.config.sharelink import ShareLink
from ginnel.config.state import StateDirectory
from ginnel.control import client as control
from ginnel.control.server import ControlServer
from ginnel.errors import (
    ClosedError,
    ConfigError,
    ControlError,
    ListenError,
    NotRunning,
    StateError,
    StateInUse,
)
from ginnel.policy.users import UserTable
from tests import fake_engine
from tests.fake_engine import LINK, Engine
from tests.waiting import until


async def test_the_example_of_the_documentation(engines: list[Engine], state: Path) -> None:
    async with (
        Server(listen="127.0.0.1:0", state=state) as server,
        Client(server.share_link("laptop")) as client,
    ):
        _, writer = await client.open_connection("example.org", 80)
        socks = await client.socks5("127.0.0.1:0")
        assert socks.address[0] == "127.0.0.1"
        writer.close()
    users = dict(engines[0].calls[0][1])
    assert set(users) == {"default", "laptop"}
    # The engine knows the laptop before the laptop connects, and by the key that is in its link.
    assert users["laptop"] == fake_engine.public_key(engines[1].config.servers[0][5])
    assert engines[1].config.servers == [
        (
            "udp",
            "127.0.0.1",
            [(40_000, 40_000)],
            fake_engine.public_key(engines[0].config.private_key),
            engines[0].config.psk,
            engines[1].config.servers[0][5],
        )
    ]


async def test_the_first_start_makes_everything_and_the_second_keeps_it(
    engines: list[Engine], state: Path
) -> None:
    async with Server(state=state) as server:
        assert (server.new_keys, server.port_origin) == (True, "drawn")
        assert server.address.port in DRAWN_PORTS
        first = server.share_link()
    assert stat.S_IMODE((state / "server.json").stat().st_mode) == 0o600
    async with Server(state=state) as server:
        assert (server.new_keys, server.port_origin) == (False, "kept")
        assert server.share_link() == first
    assert engines[0].config.psk == engines[1].config.psk
    assert engines[0].config.replay_file == str(state / "replay")
    assert engines[0].config.listen == [("udp", "0.0.0.0", list(server.ports.ranges))]  # noqa: S104 - what the fake was told


async def test_two_deployments_share_nothing(engines: list[Engine], tmp_path: Path) -> None:
    for name in ("a", "b"):
        async with Server(state=tmp_path / name):
            pass
    one, other = (engine.config for engine in engines)
    assert one.psk != other.psk
    assert one.private_key != other.private_key
    assert one.users[0][1] != other.users[0][1]


async def test_a_given_port_is_kept_and_port_0_is_not(engines: list[Engine], state: Path) -> None:
    async with Server(state=state, listen="127.0.0.1:4433") as server:
        assert server.port_origin == "given"
    async with Server(state=state, listen="127.0.0.1:0") as server:
        assert server.port_origin == "any"
    async with Server(state=state) as server:
        assert (server.port_origin, server.address.port) == ("kept", 4433)


async def test_a_drawn_port_that_is_taken_is_drawn_again(engines: list[Engine], state: Path) -> None:
    Engine.busy_ports.update(port for port in DRAWN_PORTS if port % 2)
    async with Server(state=state) as server:
        assert server.address.port % 2 == 0


async def test_drawing_gives_up_some_time(engines: list[Engine], state: Path) -> None:
    Engine.busy_ports.update(DRAWN_PORTS)
    with pytest.raises(ListenError, match="is in use"):
        await Server(state=state).start()
    # And it holds nothing afterwards.
    Engine.busy_ports.clear()
    async with Server(state=state):
        pass


async def test_a_kept_port_that_is_taken_is_not_quietly_changed(engines: list[Engine], state: Path) -> None:
    async with Server(state=state) as server:
        Engine.busy_ports.add(server.address.port)
    with pytest.raises(ListenError, match="is in use") as caught:
        await Server(state=state).start()
    assert "ginnel server --listen PORT" in caught.value.hint


async def test_users_are_made_once_and_at_once(engines: list[Engine], state: Path) -> None:
    async with Server(state=state, listen="127.0.0.1:0") as server:
        links = [server.share_link(user) for user in ("anna", "bob", "anna")]
        assert links[0] == links[2] != links[1]
        assert server.users() == ("default", "anna", "bob")
        tables = [call[1] for call in engines[0].calls if call[0] == "set_users"]
        assert [[name for name, _ in table] for table in tables] == [
            ["default", "anna"],
            ["default", "anna", "bob"],
        ]
        for bad in ("", "Anna", "a b"):
            with pytest.raises(ConfigError):
                server.share_link(bad)


async def test_a_user_added_from_outside_is_noticed(
    engines: list[Engine], state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_module, "_WATCH_SECONDS", 0.001)
    async with Server(state=state, listen="127.0.0.1:0") as server:
        link, _ = await asyncio.to_thread(stored_link, state, "phone")
        await until(lambda: server.users() == ("default", "phone"))
        (call,) = (call for call in engines[0].calls if call[0] == "set_users")
        assert dict(call[1])["phone"] == fake_engine.public_key(link.servers[0].private_key.reveal())


async def test_users_that_vanish_while_it_runs_stop_nothing(
    state: Path, engines: list[Engine], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(served_module, "_WATCH_SECONDS", 0.001)
    async with Server(state=state, listen="127.0.0.1:0") as server:
        (state / "users.sqlite3").rename(state / "elsewhere")
        await until(lambda: "users.sqlite3 is missing" in caplog.text)
        assert server.users() == ("default",)
        # Nobody is added to a file that has no name any more.
        with pytest.raises(StateError, match="is missing"):
            server.share_link("anna")
        with pytest.raises(StateError, match="is missing"):
            await asyncio.to_thread(stored_link, state, "anna")
        (state / "elsewhere").rename(state / "users.sqlite3")
        await asyncio.to_thread(stored_link, state, "phone")
        await until(lambda: server.users() == ("default", "phone"))
    assert caplog.text.count("users stay as they are") == 1


async def test_a_directory_that_is_removed_while_it_runs_stops_nothing(
    state: Path, engines: list[Engine], caplog: pytest.LogCaptureFixture
) -> None:
    async with Server(state=state, listen="127.0.0.1:0") as server:
        shutil.rmtree(state)
        assert server.share_link().startswith("ginnel://")
        engines[0].emit("link_up", peer="192.0.2.9:5", session="quic", carrier="udp", user="default")
        await until(lambda: server._served and server._served._links)
    assert "are lost" in caplog.text
    assert not state.exists()


async def test_a_state_of_version_1_starts_with_its_users(engines: list[Engine], state: Path) -> None:
    async with Server(state=state, listen="127.0.0.1:4433") as server:
        server.share_link("anna")
        links = [server.share_link(name) for name in ("default", "anna")]
    kept = json.loads((state / "server.json").read_text())
    port, profile = int(kept.pop("ports")), kept.pop("profile")
    del kept["session"]
    kept |= {
        "version": 1,
        "port": port,
        "users": [{"name": name, "generation": 1} for name in ("default", "anna")],
    }
    for path in state.iterdir():
        path.unlink()
    (state / "server.json").touch(0o600)
    (state / "server.json").write_text(json.dumps(kept))
    async with Server(state=state, listen="127.0.0.1:4433") as server:
        assert not server.new_keys
        now = [server.share_link(name) for name in ("default", "anna")]
        # The keys and the port are the same, and there is a profile again, though another one.
        assert [ShareLink.parse(one).servers for one in now] == [
            ShareLink.parse(one).servers for one in links
        ]
        assert server.users() == ("default", "anna")
    kept = json.loads((state / "server.json").read_text())
    assert kept["profile"].keys() == profile.keys()
    async with Server(state=state, listen="127.0.0.1:4433") as server:
        assert [server.share_link(name) for name in ("default", "anna")] == now


async def test_a_first_user_who_was_removed_does_not_come_back(engines: list[Engine], state: Path) -> None:
    async with Server(state=state, listen="127.0.0.1:4433"):
        pass
    with StoredUsers(state) as users:
        users.remove(["default"])
    async with Server(state=state) as server:
        assert server.users() == ()
    assert engines[1].config.users == []


async def test_keys_without_users_are_not_served(engines: list[Engine], state: Path) -> None:
    async with Server(state=state, listen="127.0.0.1:4433"):
        pass
    (state / "users.sqlite3").unlink()
    with pytest.raises(StateError, match=r"users\.sqlite3 is missing"):
        await Server(state=state).start()
    assert len(engines) == 1
    # And it holds nothing afterwards.
    StateDirectory(state).acquire()


async def ask(state: Path, question: str) -> Any:
    return await asyncio.to_thread(control.ask, state / "control", question)


async def test_it_can_be_asked(engines: list[Engine], state: Path) -> None:
    async with Server(state=state, listen="127.0.0.1:0") as server:
        who = await ask(state, "who")
        assert (who["role"], who["pid"], who["state"]) == ("server", os.getpid(), str(state))
        assert await ask(state, "ping") == who
        stats = await ask(state, "stats")
        assert stats.pop("uptime_seconds") >= 0
        assert stats == {**server.stats(), **who}
        with pytest.raises(ControlError, match="started without a configuration file: nothing to reload"):
            await ask(state, "reload")

        async def reload(_: object) -> object:
            return [{"key": "log.level", "old": "info", "new": "debug", "effect": "now"}]

        server.handlers["reload"] = reload
        assert (await ask(state, "reload"))[0]["key"] == "log.level"
        assert await ask(state, "users") == {}
        assert await ask(state, "users_changed") == 0
    assert not (state / "control").exists()
    with pytest.raises(NotRunning):
        await ask(state, "who")


@pytest.mark.parametrize("kind", ["file", "pipe", "link"])
async def test_what_stands_in_the_sockets_place_is_not_removed(
    engines: list[Engine], state: Path, kind: str
) -> None:
    StateDirectory(state).create()
    path = state / "control"
    {"file": path.touch, "pipe": lambda: os.mkfifo(path)}.get(kind, lambda: path.symlink_to("x"))()
    with pytest.raises(StateError, match="control is not a socket"):
        await Server(state=state, listen="127.0.0.1:0").start()
    assert os.path.lexists(path)
    assert engines[0].closed


async def test_a_place_without_sockets_is_no_reason_not_to_serve(
    engines: list[Engine], state: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(ControlServer, "start", refuse)
    async with Server(state=state, listen="127.0.0.1:0") as server:
        assert server.users() == ("default",)
    assert "no control socket at" in caplog.text


async def test_one_server_per_state(engines: list[Engine], state: Path) -> None:
    async with Server(state=state, listen="127.0.0.1:0"):
        with pytest.raises(StateInUse, match=f"process {os.getpid()}"):
            await Server(state=state, listen="127.0.0.1:0").start()
        # The one that failed did not take the lock with it.
        with pytest.raises(StateInUse):
            StateDirectory(state).acquire()


async def test_what_goes_into_the_link_as_the_address(engines: list[Engine], state: Path) -> None:
    async with Server(state=state, listen="0.0.0.0:4433", advertise="Ext.Example.net:443") as server:
        (reachable,) = server.reachable
        assert (reachable.origin, reachable.address) == ("given", ("ext.example.net", 443))
        assert ShareLink.parse(server.share_link()).servers[0].address == ("ext.example.net", 443)
    assert stored_link(state, "default")[0].servers[0].address == ("ext.example.net", 443)


async def test_settings_reach_the_engine(engines: list[Engine], state: Path) -> None:
    events: list[Event] = []
    async with Server(
        state=state, listen="127.0.0.1:0", allow_private=True, drain_seconds=1, on_event=events.append
    ) as server:
        facts = {"peer": "192.0.2.9:5", "rtt": 0.01, "session": "quic", "carrier": "udp", "user": "default"}
        engines[0].emit("link_up", **facts)
        engines[0].emit("of_a_newer_engine")
        await until(lambda: events)
        assert server.stats()["gauges"] == {"links": 1}
        assert server.stats()["links"] == [LINK]
        assert repr(server) == "<ginnel.Server on 127.0.0.1:40000>"
    assert engines[0].config.allow_private is True
    assert engines[0].calls[-1] == ("shutdown", 1.0)
    assert events == [LinkUp("192.0.2.9:5", 0.01, "quic", "udp", "default")]
    kept = StateDirectory(state).read()
    assert kept is not None
    assert engines[0].config.users == UserTable(kept.private_key, fake_engine).compile([User("default")])


async def test_before_its_start_and_after_its_end(engines: list[Engine], state: Path) -> None:
    server = Server(state=state)
    with pytest.raises(ClosedError, match="has not started"):
        server.share_link()
    assert StateDirectory(state).read() is None
    assert repr(server) == "<ginnel.Server on a port to be drawn>"
    async with server:
        pass
    with pytest.raises(ClosedError):
        server.stats()
    with pytest.raises(ClosedError):
        await server.start()
    await server.aclose()


@pytest.mark.parametrize(
    "settings", [{"listen": "nonsense"}, {"advertise": "a b"}, {"drain_seconds": -1}, {"session": "tcp"}]
)
def test_bad_settings_are_told_before_anything_happens(state: Path, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Server(state=state, **settings)  # type: ignore[arg-type]  # wrong values are the test
    assert not state.exists()


async def test_the_engine_is_told_where_keys_are_logged(
    engines: list[Engine], state: Path, tmp_path: Path
) -> None:
    async with Server(listen="127.0.0.1:0", state=state, key_log=tmp_path / "keys"):
        assert engines[0].config.key_log == str(tmp_path / "keys")


async def test_the_log_can_be_set_at_the_start_and_later(engines: list[Engine], state: Path) -> None:
    async with Server(listen="127.0.0.1:0", state=state, log=LogConfig(level="debug")) as server:
        assert engines[0].config.log == {"": "debug"}
        server.set_log(LogConfig())
        assert engines[0].calls[-1] == ("set_log", {"": "info"})


async def test_ports_that_are_given_are_listened_on_advertised_and_kept(
    engines: list[Engine], state: Path
) -> None:
    async with Server(state=state, listen="127.0.0.1:4433,5000-5002") as server:
        assert (server.address, str(server.ports)) == (("127.0.0.1", 4433), "4433,5000-5002")
        link = ShareLink.parse(server.share_link())
    assert engines[0].config.listen == [("udp", "127.0.0.1", [(4433, 4433), (5000, 5002)])]
    assert str(link.servers[0].endpoint) == "127.0.0.1:4433,5000-5002"
    assert stored_link(state, "default")[0] == link
    async with Server(state=state) as server:
        assert (server.port_origin, str(server.ports)) == ("kept", "4433,5000-5002")
    async with Server(state=state, advertise="a.example:9-10") as server:
        assert str(ShareLink.parse(server.share_link()).servers[0].endpoint) == "a.example:9-10"
    assert str(stored_link(state, "default", "b.example")[0].servers[0].endpoint) == "b.example:9-10"
    assert str(stored_link(state, "default", "b.example:7")[0].servers[0].endpoint) == "b.example:7"


async def test_drawn_ports_stand_in_a_row_among_those_to_draw_from(
    engines: list[Engine], state: Path
) -> None:
    async with Server(state=state, ports=256) as server:
        assert server.port_origin == "drawn"
        assert (server.ports.count, len(server.ports.ranges)) == (256, 1)
        assert set(server.ports) <= set(DRAWN_PORTS)
        drawn = server.ports
    async with Server(state=state) as server:
        assert (server.port_origin, server.ports) == ("kept", drawn)


@pytest.mark.parametrize("count", [1, 5, 30])
async def test_another_number_of_ports_begins_with_the_same_one(
    engines: list[Engine], state: Path, count: int
) -> None:
    async with Server(state=state, ports=20) as server:
        first = server.address.port
    for origin in ("resized", "kept"):
        async with Server(state=state, ports=count) as server:
            assert (server.port_origin, server.ports) == (origin, Ports.run(first, count))


async def test_ports_are_named_or_counted(state: Path) -> None:
    with pytest.raises(ConfigError, match="both listen and ports are given"):
        Server(state=state, listen="4433", ports=5)


def carried_by(server: Server) -> Profile:
    """The profile that the server's share links carry."""
    profile = ShareLink.parse(server.share_link()).profile
    assert profile is not None
    return profile


async def test_the_profile_is_drawn_once_kept_and_carried(engines: list[Engine], state: Path) -> None:
    profiles = []
    for _ in range(2):
        async with Server(state=state, listen="127.0.0.1:4433") as server:
            profiles.append(carried_by(server))
    assert profiles[0] == profiles[1]
    assert profiles[0].preset == "balanced"
    # What is raw TCP's alone is not in links for UDP, but the deployment has it.
    kept = StateDirectory(state).read()
    assert kept is not None
    assert kept.profile == profiles[0].model_copy(update={"printable": kept.profile.printable})
    assert [engine.config.profile for engine in engines] == [kept.profile.pairs()] * 2
    # Another preset is drawn anew, and stays when nobody asks for one.
    presets: list[Preset | None] = ["light", None]
    for wanted in presets:
        async with Server(state=state, profile=wanted) as server:
            profiles.append(carried_by(server))
    assert profiles[2] == profiles[3]
    assert profiles[2].preset == "light"


async def test_fields_that_are_given_hold_for_what_the_server_sends(
    engines: list[Engine], state: Path
) -> None:
    async with Server(state=state, profile=ProfileConfig(segment_cut=(7, 9))) as server:
        carried = carried_by(server)
    assert carried.segment_cut != (7, 9)
    sent = engines[0].config.profile
    assert sent == {**carried.pairs(), "segment_cut": (7, 9), "printable": sent["printable"]}


async def test_two_deployments_have_two_profiles(engines: list[Engine], tmp_path: Path) -> None:
    for name in ("a", "b"):
        async with Server(state=tmp_path / name):
            pass
    assert engines[0].config.profile != engines[1].config.profile
