"""A stand-in for `ginnel-load`: the same arguments and the same words, and figures out of the air.

`FAKE_FAULT` says what it does wrong; into the directory `FAKE_PIDS` it puts a file for each of its processes.
"""

import argparse
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path

FAULT = os.environ.get("FAKE_FAULT", "")


def listening(address: str, service: str) -> None:
    """Listen, say so, and serve until a signal."""
    host, _, port = address.rpartition(":")
    with socket.create_server((host, int(port)), backlog=128) as server:
        if f"silent {service}" == FAULT:
            signal.pause()
        if f"no address of the {service}" == FAULT:
            print("listening nowhere", flush=True)
            signal.pause()
        print("listening", f"{host}:{server.getsockname()[1]}", flush=True)
        if f"short {service}" == FAULT:
            return
        kept = []
        while True:
            kept.append(server.accept())


def run(parsed: argparse.Namespace) -> int:
    """Reach the target or the proxy, and make up a result."""
    way = parsed.target if parsed.via == "direct" else parsed.via.partition("://")[2]
    host, _, port = way.rpartition(":")
    with socket.create_connection((host, int(port))):
        if parsed.work == "hold":
            print("held", 0 if FAULT == "held none" else parsed.connections, flush=True)
            sys.stdin.read()
            return 0
        if FAULT == "hang":
            signal.pause()
    if FAULT == "fail":
        print("ginnel-load: all has failed", file=sys.stderr)
        return 1
    if FAULT == "not json":
        print("all went well")
        return 0
    print(json.dumps(result(parsed)))
    return 0


def result(parsed: argparse.Namespace) -> dict[str, object]:
    """What a run says."""
    size = 0 if FAULT == "nothing through" else 1_000_000 * parsed.connections
    latency = {"p50": 100, "p90": 200, "p99": 300.5, "max": 400, "count": 40}
    pids = [word for word in parsed.pids.split(",") if word]
    said: dict[str, object] = {
        "work": parsed.work,
        "via": parsed.via,
        "connections": parsed.connections,
        "seconds": parsed.seconds,
        "bytes": size,
        "requests": 0 if FAULT == "nothing through" else 40,
        "errors": 3 if FAULT == "some errors" else 0,
        "first_error": None,
        "rate_bits": size * 8 / parsed.seconds,
        "per_second": 40 / parsed.seconds,
        "latency_us": latency,
        "cpu_seconds": dict.fromkeys(pids, 0.01),
        "machine_cpu_seconds": 0.02,
        "intervals": [size // 4] * 4,
        "first_10mb_seconds": None,
        "beside": latency if parsed.beside else {"p50": None, "p99": None, "max": None, "count": 0},
    }
    if FAULT == "missing key":
        del said["bytes"]
    if FAULT == "negative":
        said["bytes"] = -1
    return said


def wire(parsed: argparse.Namespace) -> int:
    """Pass packets on as they are, whatever loss and delay are asked for."""
    counts = {
        name: dict.fromkeys(("packets_in", "bytes_in", "lost", "overflowed", "packets_out", "bytes_out"), 0)
        for name in ("there", "back")
    }
    asked: list[int] = []
    for number in (signal.SIGUSR1, signal.SIGTERM):
        signal.signal(number, lambda number, _: asked.append(number))
    if FAULT == "silent wire":
        signal.pause()
    print("ready", file=sys.stderr, flush=True)
    while signal.SIGTERM not in asked:
        if asked:
            asked.clear()
            if FAULT != "wire without counts":
                print(json.dumps(counts), file=sys.stderr, flush=True)
        readable, _, _ = select.select([0, 1], [], [], 0.01)
        for source in readable:
            packet = os.read(source, 65536)
            direction = counts["there" if source == 0 else "back"]
            os.write(1 - source, packet)
            direction["packets_in"] += 1
            direction["packets_out"] += 1
            direction["bytes_in"] += len(packet)
            direction["bytes_out"] += len(packet)
    return 0


def allocations(parsed: argparse.Namespace) -> int:
    """Make some up."""
    if FAULT == "not json":
        print("many")
        return 0
    print(
        json.dumps(
            {"work": parsed.work, "count": parsed.count, "allocations_per_unit": 3.5, "bytes_per_unit": 2048}
        )
    )
    return 0


def arguments() -> argparse.Namespace:
    """As the real one has them; an unknown one is an error."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    origin = commands.add_parser("origin")
    origin.add_argument("--listen", required=True)
    relay = commands.add_parser("relay")
    relay.add_argument("--listen", required=True)
    relay.add_argument("--threads", type=int, default=1)
    towards = relay.add_mutually_exclusive_group(required=True)
    towards.add_argument("--to")
    towards.add_argument("--socks", action="store_true")
    for name in ("run", "allocations"):
        command = commands.add_parser(name)
        command.add_argument("--target", required=True)
        command.add_argument("--work", required=True, choices=["down", "up", "requests", "connect", "hold"])
        command.add_argument("--connections", type=int, required=True)
        if name == "allocations":
            command.add_argument("--count", type=int, required=True)
            continue
        command.add_argument("--via", required=True)
        command.add_argument("--seconds", type=float, default=10.0)
        command.add_argument("--warmup", type=float, default=0.0)
        command.add_argument("--size", type=int)
        command.add_argument("--beside", type=int, default=0)
        command.add_argument("--pids", default="")
    wired = commands.add_parser("wire")
    for name in ("rate-mbit", "delay-ms", "loss"):
        wired.add_argument(f"--{name}", type=float, required=True)
    wired.add_argument("--seed", type=int, required=True)
    wired.add_argument("--buffer-bytes", type=int)
    return parser.parse_args()


def main() -> int:
    """Do what is asked."""
    parsed = arguments()
    if pids := os.environ.get("FAKE_PIDS"):
        Path(pids, f"{os.getpid()}-{parsed.command}").touch()
    match parsed.command:
        case "origin" | "relay":
            listening(parsed.listen, parsed.command)
            return 0
        case "run":
            return run(parsed)
        case "wire":
            return wire(parsed)
        case _:
            return allocations(parsed)


if __name__ == "__main__":
    sys.exit(main())
