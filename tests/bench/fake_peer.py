"""A stand-in for peers: listens where its arguments or its configuration say, and notes its arguments.

`fake_peer.py NAME LOG ARGUMENT…`; what is after them is what the peer would get.
"""

import json
import re
import signal
import socket
import sys
from pathlib import Path


def place(name: str, words: list[str]) -> tuple[str, int, bool]:
    """Address, port, and whether it is UDP."""
    match name:
        case "microsocks":
            return words[words.index("-i") + 1], int(words[words.index("-p") + 1]), False
        case "ssserver" | "sslocal":
            config = json.loads(Path(words[words.index("-c") + 1]).read_text())
            end = ("server", "server_port") if name == "ssserver" else ("local_address", "local_port")
            return config[end[0]], config[end[1]], False
        case "sshd":
            config = Path(words[words.index("-f") + 1]).read_text()
            found = {line.split()[0]: line.split()[1] for line in config.splitlines()}
            return found["ListenAddress"], int(found["Port"]), False
        case "ssh":
            host, _, port = words[words.index("-D") + 1].partition(":")
            return host, int(port), False
        case "kcptun-client" | "kcptun-server":
            config = json.loads(Path(words[words.index("-c") + 1]).read_text())
            host, _, port = config["listen" if name == "kcptun-server" else "localaddr"].partition(":")
            return host, int(port), name == "kcptun-server"
        case "pproxy":
            address = re.split(r"://|@", words[words.index("-l") + 1])[-1]
            return address.partition(":")[0], int(address.partition(":")[2]), False
        case _:
            if words[0] == "server":
                return words[words.index("--host") + 1], int(words[words.index("--port") + 1]), True
            host, port, _ = words[-1].split(":")
            return host, int(port), False


def main() -> None:
    """Listen until a signal."""
    name, log, *words = sys.argv[1:]
    with Path(log).open("a") as file:
        file.write(f"{name} {' '.join(words)}\n")
    if words[0] in ("--version", "-V"):
        print(f"{name} 1.2.3")
        return
    if "--help" in words:
        print(words[0], "--insecure --allow-socks" if "new" in log else "")
        return
    host, port, datagrams = place(name, words)
    if datagrams:
        with socket.socket(type=socket.SOCK_DGRAM) as bound:
            bound.bind((host, port))
            signal.pause()
    with socket.create_server((host, port)):
        signal.pause()


if __name__ == "__main__":
    main()
