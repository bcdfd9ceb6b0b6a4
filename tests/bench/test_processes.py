import os
import socket
import subprocess
import sys

from bench import processes
from tests.bench.waiting import until


def test_a_process_is_known_by_when_it_began() -> None:
    assert processes.started(os.getpid()) == processes.started(os.getpid())
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
        since = processes.started(other.pid)
        assert since is not None
        assert other.stdin is not None
        other.stdin.close()
        until(lambda: processes.started(other.pid) is None)
    assert processes.started(other.pid) is None


def test_a_tree_has_the_children_of_children() -> None:
    with subprocess.Popen(["sh", "-c", "sh -c 'sleep 60; true' & wait"], start_new_session=True) as root:
        until(lambda: len(processes.tree(root.pid)) == 3)
        tree = processes.tree(root.pid)
        assert tree[0] == root.pid
        for pid in tree:
            processes.kill(pid, processes.started(pid) or "")
        until(lambda: not any(processes.started(pid) for pid in tree[1:]))


def test_another_process_with_the_same_number_is_spared() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
        processes.kill(other.pid, "another time")
        assert other.poll() is None
        assert other.stdin is not None
        other.stdin.close()
    assert other.returncode == 0


def test_memory_is_that_of_all() -> None:
    one = processes.resident_bytes([os.getpid()])
    assert one > 1024 * 1024
    assert processes.resident_bytes([os.getpid(), os.getpid()]) > one
    assert processes.resident_bytes([]) == 0


def test_a_listening_socket_is_seen_and_a_bound_one_is_not() -> None:
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
        assert not processes.has_socket(os.getpid(), port, "tcp")
        tcp.listen()
        assert processes.has_socket(os.getpid(), port, "tcp")
        udp.bind(("127.0.0.1", 0))
        assert processes.has_socket(os.getpid(), udp.getsockname()[1], "udp")


def test_nobody_has_no_socket() -> None:
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    assert not processes.has_socket(int(gone.stdout), 80, "tcp")
