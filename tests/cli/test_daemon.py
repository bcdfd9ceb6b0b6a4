"""A running service that reads its settings again."""

import asyncio
from pathlib import Path

import pytest

from ginnel.api.client import Client
from ginnel.api.server import Server
from ginnel.cli._daemon import Daemon
from ginnel.cli._listeners import OpenListeners
from ginnel.cli._terminal import Terminal
from ginnel.config.difference import ReloadReport
from ginnel.config.load import Source
from ginnel.config.values import ClientConfig, ServerConfig
from ginnel.errors import ConfigError, ListenError
from tests.config.test_values import LINK
from tests.fake_engine import REFUSED_STREAMS, Engine
from tests.waiting import until


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("a.toml")
    path.write_text('role = "server"\nstate = "state"\n')
    return path


def write(path: Path, text: str) -> None:
    path.write_text(text)


def unlink(path: Path) -> None:
    path.unlink()


def server_of(source: Source) -> Server:
    config = source.load().usable()
    assert isinstance(config, ServerConfig)
    return Server.from_config(config)


def write_client(path: Path, text: str) -> None:
    (path.parent / "link.txt").write_text(LINK.to_text())
    (path.parent / "link.txt").chmod(0o600)
    path.write_text(f'role = "client"\nlink_file = "link.txt"\n{text}\n')


def client_of(source: Source) -> Client:
    config = source.load().usable()
    assert isinstance(config, ClientConfig)
    return Client.from_config(config)


async def test_a_reload_reads_file_environment_and_flags_again(engines: list[Engine], file: Path) -> None:
    source = Source(file=file, variables={"GINNEL_DRAIN": "5s"}, assignments=["log.level=debug"])
    async with server_of(source) as server:
        daemon = Daemon(server, source, Terminal())
        assert (await daemon.reload()).lines == ("nothing has changed",)
        write(file, 'role = "server"\nstate = "state"\ndrain = "9s"\nlog.level = "off"\nlimits.links = 9\n')
        assert (await daemon.reload()).lines == ("limits.links: 4,096 is now 9, for new links and streams",)
        assert server.config.drain_seconds == 5
        assert server.config.log.level == "debug"


async def test_bad_settings_keep_the_old_ones(engines: list[Engine], file: Path) -> None:
    source = Source(file=file)
    async with server_of(source) as server:
        before = server.config
        daemon = Daemon(server, source, Terminal())
        write(file, 'role = "server"\nstate = "state"\nlimits.links = 0\ndrain = 4\nallow_private = true\n')
        with pytest.raises(ConfigError, match=r"^a\.toml:3: limits\.links = 0 is too small$") as caught:
            await daemon.reload()
        assert caught.value.hint.endswith("\nAnd 1 more:  ginnel check a.toml")
        unlink(file)
        with pytest.raises(ConfigError, match=r"^a\.toml cannot be read"):
            await daemon.reload()
        assert server.config is before
        assert engines[0].calls == []


async def test_another_role_waits_for_the_next_start(engines: list[Engine], file: Path) -> None:
    source = Source(file=file)
    async with server_of(source) as server:
        write_client(file, "")
        report = await Daemon(server, source, Terminal()).reload()
        assert report.lines == ("role: server is now client, at the next start",)
        assert engines[0].calls == []


async def test_the_listeners_of_a_client_change(engines: list[Engine], file: Path) -> None:
    write_client(file, 'socks5 = ["1"]')
    source = Source(file=file)
    async with client_of(source) as client:
        listeners = OpenListeners(client, Terminal())
        await listeners.open(client.config.socks5)
        daemon = Daemon(client, source, Terminal(), listeners)
        write_client(file, 'socks5 = ["1", "2"]')
        assert (await daemon.reload()).lines == (
            "socks5: 127.0.0.1:1 is now 127.0.0.1:1, 127.0.0.1:2, at once",
        )
        assert [one.address.port for one in listeners.wanted] == [1, 2]


@pytest.mark.parametrize("bad", ["socks5 = ['1', '99']", f"socks5 = '3'\nlimits.streams = {REFUSED_STREAMS}"])
async def test_what_cannot_hold_leaves_a_client_as_it_was(
    engines: list[Engine], file: Path, bad: str
) -> None:
    Engine.busy_ports.add(99)
    write_client(file, 'socks5 = "1"')
    source = Source(file=file)
    async with client_of(source) as client:
        listeners = OpenListeners(client, Terminal())
        await listeners.open(client.config.socks5)
        before = client.config
        write_client(file, f"{bad}\ndrain = '9s'")
        with pytest.raises((ListenError, ConfigError)):
            await Daemon(client, source, Terminal(), listeners).reload()
        assert [one.address.port for one in listeners.wanted] == [1]
        assert client.config is before


async def test_a_hangup_waits_for_the_start_and_says_what_changed(
    engines: list[Engine], file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(file=file)
    async with server_of(source) as server:
        daemon = Daemon(server, source, Terminal())
        daemon.hangup()
        daemon.hangup()
        write(file, 'role = "server"\nstate = "state"\ndrain = "9s"\nlisten = "5"\n')
        began: list[str] = []
        reload = daemon.reload

        async def noted() -> ReloadReport:
            began.append("reload")
            return await reload()

        monkeypatch.setattr(daemon, "reload", noted)
        # Nothing may happen before it is ready; this gives it every chance.
        for _ in range(20):
            await asyncio.sleep(0)
        assert began == []
        daemon.ready()
        await until(lambda: server.config.drain_seconds == 9)
        said = ""

        def heard() -> bool:
            nonlocal said
            said += capsys.readouterr().err
            return "listen" in said

        await until(heard)
        assert [line.split("  ", 2)[2].split(None, 1) for line in said.splitlines()] == [
            ["reload", "drain: 4 s is now 9 s, at once"],
            ["reload", "listen: the default is now 0.0.0.0:5, at the next start"],
        ]
        assert began == ["reload"], "two signals before the start are one reload"


async def test_a_hangup_with_bad_settings_says_so_and_goes_on(
    engines: list[Engine], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Source(file=file)
    async with server_of(source) as server:
        daemon = Daemon(server, source, Terminal(quiet=True))
        daemon.ready()
        for text, word in (
            ('role = "server"\nlistne = 1', "listne"),
            ("role = ", "not TOML"),
            (f"role = 'server'\nlimits.streams = {REFUSED_STREAMS}", "is refused"),
        ):
            write(file, text)
            daemon.hangup()
            said = ""

            def heard(word: str = word) -> bool:
                nonlocal said
                said += capsys.readouterr().err
                return word in said

            await until(heard)
            assert said.startswith("warning: the new settings are not used, the old ones stay: ")
            assert said.count("\n") == 1
        write(file, 'role = "server"\nstate = "state"\ndrain = "9s"\n')
        daemon.hangup()
        await until(lambda: server.config.drain_seconds == 9)


async def test_a_signal_during_a_reload_is_another_one(
    engines: list[Engine], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(file=file)
    async with server_of(source) as server:
        daemon = Daemon(server, source, Terminal(quiet=True))
        daemon.ready()
        began, go_on = 0, asyncio.Event()

        async def held() -> ReloadReport:
            nonlocal began
            began += 1
            await go_on.wait()
            return ReloadReport()

        monkeypatch.setattr(daemon, "reload", held)
        daemon.hangup()
        await until(lambda: began == 1)
        tasks = len(asyncio.all_tasks())
        for _ in range(100):
            daemon.hangup()
        assert len(asyncio.all_tasks()) == tasks
        go_on.set()
        await until(lambda: daemon._hangup is None)
        assert began == 2


async def test_what_nobody_foresaw_shows_its_kind_alone(
    engines: list[Engine], file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(file=file)
    async with server_of(source) as server:
        daemon = Daemon(server, source, Terminal())
        daemon.ready()

        async def fail(_: object) -> None:
            raise RuntimeError("ginnel://SECRET")

        monkeypatch.setattr(server, "reload", fail)
        daemon.hangup()
        said = ""

        def heard() -> bool:
            nonlocal said
            said += capsys.readouterr().err
            return "RuntimeError" in said

        await until(heard)
        assert "SECRET" not in said
