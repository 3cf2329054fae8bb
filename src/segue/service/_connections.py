"""A few connections to PostgreSQL that are used in turn, and given up when the server does not answer in time."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from segue.service.event_store import StoreAway

IDLE = 0
"""libpq's word for a connection without a transaction."""


class Connections:
    """Up to `most` connections, opened when needed; one that failed is thrown away with all that wait.

    A server that is frozen, or a network that swallows everything, leaves its clients waiting for ever; a thread
    looks at the connections in use and cuts those whose time is up, so that their users get an error.
    """

    def __init__(self, connect: Callable[[], Any], *, most: int, failures: tuple[type[Exception], ...]) -> None:
        """
        Args:
            failures: what the driver raises when a connection is of no use any more.
        """
        self._connect, self._most, self._failures = connect, most, failures
        self._change = threading.Condition()
        self._idle: list[Any] = []
        self._open = 0
        self._closed = False
        self._due: dict[int, tuple[float, Any]] = {}
        self._guard: threading.Thread | None = None

    @contextmanager
    def one(self, seconds: float) -> Iterator[Any]:
        """A connection that is cut after so many seconds.

        Raises:
            StoreAway: none came free or could be opened in that time.
        """
        until = time.monotonic() + seconds
        connection = self._take(until)
        self._watch(connection, until)
        try:
            yield connection
        except self._failures:
            self._give_up(connection)
            raise
        except BaseException:
            self._put_back(connection)
            raise
        else:
            self._put_back(connection)

    def close(self) -> None:
        """Close those that wait; the others when they come back."""
        with self._change:
            self._closed = True
            idle, self._idle = self._idle, []
            self._change.notify_all()
        for connection in idle:
            connection.close()

    def _take(self, until: float) -> Any:
        with self._change:
            while True:
                if self._closed:
                    raise StoreAway("the store is closed.")
                while self._idle:
                    connection = self._idle.pop()
                    if not _has_news(connection):
                        return connection
                    self._open -= 1
                    connection.close()
                if self._open < self._most:
                    self._open += 1
                    break
                if not self._change.wait(until - time.monotonic()):
                    raise StoreAway(f"all {self._most} connections to the store are in use; try again.")
        try:
            return self._connect()
        except BaseException:
            with self._change:
                self._open -= 1
                self._change.notify()
            raise

    def _put_back(self, connection: Any) -> None:
        with self._change:
            self._due.pop(id(connection), None)
            useful = not (self._closed or connection.closed or connection.info.transaction_status != IDLE)
            if useful:
                self._idle.append(connection)
            else:
                self._open -= 1
            self._change.notify()
        if not useful:
            connection.close()

    def _give_up(self, connection: Any) -> None:
        """Where one failed, the others have probably lost the same server."""
        with self._change:
            self._due.pop(id(connection), None)
            lost, self._idle = [connection, *self._idle], []
            self._open -= len(lost)
            self._change.notify_all()
        for one in lost:
            one.close()

    def _watch(self, connection: Any, until: float) -> None:
        with self._change:
            self._due[id(connection)] = (until, connection)
            if self._guard is None:
                self._guard = threading.Thread(target=self._keep_time, name="store-connections", daemon=True)
                self._guard.start()

    def _keep_time(self) -> None:
        """Cuts what is overdue, until nothing has been in use for a second."""
        quiet = time.monotonic() + 1
        while True:
            time.sleep(0.05)
            now = time.monotonic()
            with self._change:
                if self._due:
                    quiet = now + 1
                elif now > quiet:
                    self._guard = None
                    return
                for until, connection in list(self._due.values()):
                    if now > until:
                        _cut(connection)


def _has_news(connection: Any) -> bool:
    """Whether an idle connection has something to read: the farewell of a server that stopped."""
    try:
        readable, _, _ = select.select([connection.fileno()], [], [], 0)
    except (OSError, ValueError):
        return True
    return bool(readable)


def _cut(connection: Any) -> None:
    """End the conversation under the driver's feet: whoever waits for an answer gets an error."""
    with suppress(OSError, ValueError), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
