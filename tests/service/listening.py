"""A real server on the loopback around any application, with our door and our heads."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send

from segue.service.door import Door
from segue.service.heads import timed_heads


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the length of the body; to /early before it is read, and to /much with more than buffers hold."""
    length, more = 0, scope["path"] != "/early"
    while more:
        message = await receive()
        length, more = length + len(message.get("body", b"")), message.get("more_body", False)
    body = b"x" * 30_000_000 if scope["path"] == "/much" else str(length).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def listening(app: Any = echo, *, seconds: float = 0.4, most: int = 50, each: int = 0) -> Iterator[tuple[str, int]]:
    """The address of the server, which ends with the block."""
    door = Door(socket.create_server(("127.0.0.1", 0)), most=most, each=each)
    address = door.getsockname()
    config = uvicorn.Config(
        app, http=timed_heads(seconds), ws="none", lifespan="off", access_log=False, log_config=None,
        timeout_keep_alive=30, timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[door])))
    thread.start()
    try:
        until = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.01)
        yield address
    finally:
        server.should_exit = True
        thread.join()


def called(address: tuple[str, int]) -> socket.socket:
    """A connection to it."""
    return socket.create_connection(address, timeout=10)


def said(line: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    try:
        while part := line.recv(1 << 16):
            found += part
    except ConnectionResetError:
        pass
    return found


def taken(line: socket.socket, pieces: Iterable[bytes], pause: float = 0.02) -> int:
    """How many pieces were taken, one after the other, before the other side had closed."""
    for place, piece in enumerate(pieces):
        try:
            line.sendall(piece)
        except OSError:
            return place
        time.sleep(pause)
    return -1


def asked(line: socket.socket, path: str = "/", body: bytes = b"") -> bytes:
    """The first answer to a whole request, without waiting for the other side to close."""
    line.sendall(f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    found = b""
    while b"\r\n\r\n" not in found or found.endswith(b"\r\n\r\n"):
        part = line.recv(1 << 16)
        if not part:
            break
        found += part
    return found
