"""The socket that a service listens on: how many connections are open at once, in all and from one address."""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
import sys
import time
from collections import Counter
from contextlib import suppress
from typing import Any

_LOG = logging.getLogger(__name__)
CONNECTIONS = 2000
"""Connections that are open at once where the limit of open files allows it."""
RESERVED = 128
"""Files that the service needs for itself: its store, its runs, what the studio reads."""
AT_ONCE = 64
"""Connections that are turned away before anybody else is looked after."""
SILENCE = 60.0
"""Seconds between two lines of the log about connections that were turned away."""
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def most_connections(files: int | None = None) -> int:
    """How many connections may be open, so that files are left for the service itself.

    Args:
        files: the limit of open files; that of this process unless given.
    """
    limit = _files() if files is None else files
    return max(1, min(CONNECTIONS, limit - min(RESERVED, limit // 2)))


def _files() -> int:
    if sys.platform == "win32":
        return CONNECTIONS + RESERVED
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return CONNECTIONS + RESERVED if limit == resource.RLIM_INFINITY else limit


def client_of(address: str) -> str:
    """Who counts as one client: an address, or of IPv6 the network of 64 bits, which one customer has as a whole."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4 or found.is_loopback:
        return str(found)
    return f"{ipaddress.ip_address(int(found) >> 64 << 64)}/64"


class Door(socket.socket):
    """A listening socket that hands out at most `most` connections at once, and `each` to one client.

    Further ones are answered 503 and closed as soon as they come, so that a file is always left to take the next one.
    This machine's own addresses are bounded by `most` alone: a proxy stands there, with everybody behind it.
    """

    def __init__(self, listener: socket.socket, *, most: int, each: int) -> None:
        """
        Args:
            each: connections of one client; 0 sets no bound.
        """
        kind = listener.family, listener.type, listener.proto
        super().__init__(*kind, fileno=listener.detach())
        self.most, self.each = most, each
        self.clients: Counter[str] = Counter()
        self._said = self._failed = -SILENCE

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection that may stay.

        Raises:
            BlockingIOError: there is none at the moment.
        """
        for _ in range(AT_ONCE):
            connection, address = self._next()
            client = client_of(address[0])
            why = self._too_many(client)
            if why is None:
                self.clients[client] += 1
                return _Connection(connection, self, client), address
            self._turn_away(connection, why)
        raise BlockingIOError

    def left(self, client: str) -> None:
        """A connection of this client was closed."""
        self.clients[client] -= 1
        if self.clients[client] <= 0:
            del self.clients[client]

    def _next(self) -> tuple[socket.socket, Any]:
        """As a socket accepts. Where no file is left, asyncio looks away for a second; but it would try, and fail, as
        often as its backlog is long before it does."""
        try:
            return super().accept()
        except OSError as error:
            if error.errno in EXHAUSTED:
                if time.monotonic() - self._failed < 0.5:
                    raise BlockingIOError from None
                self._failed = time.monotonic()
            raise

    def _too_many(self, client: str) -> str | None:
        if self.clients.total() >= self.most:
            return f"{self.most} connections are open, which is all that there may be"
        if self.each and self.clients[client] >= self.each and not _is_ours(client):
            return f"{self.each} connections of {client} are open, which is all that one client may have"
        return None

    def _turn_away(self, connection: socket.socket, why: str) -> None:
        with connection, suppress(OSError):
            connection.setblocking(False)
            connection.send(BUSY)
            connection.recv(AT_ONCE * 1024)  # closed with something unread, it would take the answer back
        if time.monotonic() - self._said >= SILENCE:
            self._said = time.monotonic()
            _LOG.warning("%s; further ones are turned away", why)


class _Connection(socket.socket):
    """A connection that tells the door when it is closed."""

    def __init__(self, taken: socket.socket, door: Door, client: str) -> None:
        kind = taken.family, taken.type, taken.proto
        super().__init__(*kind, fileno=taken.detach())
        self._door: Door | None = door
        self._client = client

    def close(self) -> None:
        """Close it, and let another one in."""
        door, self._door = self._door, None
        if door is not None:
            door.left(self._client)
        super().close()


def _is_ours(client: str) -> bool:
    try:
        return ipaddress.ip_address(client).is_loopback
    except ValueError:
        return False
