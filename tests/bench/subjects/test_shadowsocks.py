import json
from collections.abc import Callable

from bench.subjects import Lab
from bench.subjects.shadowsocks import Shadowsocks


def test_both_ends_share_a_file_that_nobody_else_reads(
    lab: Lab, peers: Callable[..., Callable[[], list[str]]]
) -> None:
    said = peers("ssserver", "sslocal")
    with Shadowsocks().running(lab) as running:
        assert len(running.pids()) == 2
    path = lab.directory / "shadowsocks" / "config.json"
    assert said() == [f"ssserver -c {path}", f"sslocal -c {path}"]
    assert path.stat().st_mode & 0o777 == 0o600
    config = json.loads(path.read_text())
    assert config["method"] == "aes-128-gcm"
    assert running.via == f"socks5://127.0.0.1:{config['local_port']}"
    assert Shadowsocks().version() == "ssserver 1.2.3"
