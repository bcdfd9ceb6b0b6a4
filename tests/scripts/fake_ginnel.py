"""Stands in for `ginnel` where the demonstration itself is tested: the same words, and a plain SOCKS5 proxy.

FAKE_FAULT in the environment breaks one thing: `server`, `client`, `ping`, `damage`, `end`, `leave`.
"""

import asyncio
import os
import signal
import socket
import sys

LINK = "ginnel://a-secret-that-nobody-may-see"
FAULT = os.environ.get("FAKE_FAULT", "")


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, damage: bool) -> None:
    """Copy until the end, which is passed on; with `damage`, flip a bit of every piece that is not an HTTP head."""
    while data := await reader.read(65536):
        writer.write(data[:-1] + bytes([data[-1] ^ 1]) if damage and not data.endswith(b"\r\n\r\n") else data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One SOCKS5 CONNECT to an IPv4 address or a name."""
    await reader.readexactly((await reader.readexactly(2))[1])  # the methods offered
    writer.write(b"\x05\x00")
    kind = (await reader.readexactly(4))[3]
    if kind == 1:
        host = socket.inet_ntoa(await reader.readexactly(4))
    else:
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    port = int.from_bytes(await reader.readexactly(2))
    try:
        far_reader, far_writer = await asyncio.open_connection(host, port)
    except OSError:
        writer.write(b"\x05\x05\x00\x01" + bytes(6))
    else:
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await asyncio.gather(pump(reader, far_writer, False), pump(far_reader, writer, FAULT == "damage"))
        far_writer.close()
    writer.close()


async def client() -> None:
    """Announce the link and the listener, then serve until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    print(f"  link up    127.0.0.1:38411 · 1 ms · quic over udp   ({LINK})", file=sys.stderr, flush=True)
    print(f"socks5 {host}:{port}", flush=True)
    if FAULT != "leave":
        await stopped.wait()
    listener.close()


def main() -> int:
    """The commands that the demonstration uses."""
    command = sys.argv[1]
    if any("ginnel://" in argument for argument in sys.argv):
        print("the share link is in the arguments", file=sys.stderr)
        return 2
    if command == FAULT:
        print(f"error: {command} is broken, with {LINK}", file=sys.stderr)
        return 1
    if command == "server":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(3 if FAULT == "end" else 0))
        print(LINK, flush=True)
        signal.pause()
    if os.environ.get("GINNEL_LINK") != LINK:
        print("no share link", file=sys.stderr)
        return 2
    if command == "ping":
        print("reachable  127.0.0.1:38411 · 1 ms")
    if command == "client":
        asyncio.run(client())
    return 0


if __name__ == "__main__":
    sys.exit(main())
