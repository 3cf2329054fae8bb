"""Connections on which the head of each request must arrive in time, and each answer be taken."""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from segue.service.problems import MEDIA_TYPE, Problem

LONGEST = 65_536
"""Bytes of a head at most."""


class TimedHeads(HttpToolsProtocol):
    """uvicorn's HTTP, which waits for bodies by our deadline, and for heads and readers by none of its own.

    The clock of a head runs from the moment at which the connection was made, or from the first byte behind an answer.
    """

    seconds: ClassVar[float] = 10.0
    """How long a head may take, and how long a reader may take nothing."""

    _head_due: asyncio.TimerHandle | None = None
    _reader_due: asyncio.TimerHandle | None = None
    _received = 0
    """Bytes of the head that is on its way."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first head."""
        super().connection_made(transport)
        self._head_due = self.loop.call_later(self.seconds, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all clocks."""
        self._stop_head()
        self._stop_reader()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, and watch what is not yet a whole head."""
        cycle = self.cycle
        super().data_received(data)
        idle = self.cycle is None or (self.cycle is cycle and self.cycle.response_complete)
        if not idle or self.transport.is_closing():
            return
        if self._head_due is None:
            self._head_due = self.loop.call_later(self.seconds, self._too_slow)
        self._received += len(data) if self._has_begun() else 0
        if self._received > LONGEST:
            self._refuse(Problem(431, "head", "Head too long", f"The head of a request may have {LONGEST:,} bytes."))

    def on_message_begin(self) -> None:
        """A head has its own time, whatever came before it."""
        self._stop_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._stop_head()
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """The reader takes less than we say: it must go on in time."""
        super().pause_writing()
        if self._reader_due is None:
            self._reader_due = self.loop.call_later(self.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The reader has caught up."""
        self._stop_reader()
        super().resume_writing()

    def _unsupported_upgrade_warning(self) -> None:
        """Whoever asks for WebSockets gets an answer; the log has nothing to say about it."""

    def _too_slow(self) -> None:
        self._head_due = None
        self._refuse(Problem(408, "slow", "Too slow", "The head of the request did not arrive in time."))

    def _refuse(self, problem: Problem) -> None:
        """Say why to who has begun to ask, and close; a browser that only kept a connection ready asked nothing."""
        self._stop_head()
        if self.transport.is_closing():
            return
        if self._has_begun():
            body = json.dumps(problem.body).encode()
            status, phrase = problem.details.status, problem.details.title
            head = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()
        self.loop.call_later(self.seconds, self.transport.abort)

    def _has_begun(self) -> bool:
        """Whether some of a head is there, and not the rest of a body that was answered before it came."""
        return self.scope is not None and (self.cycle is None or self.cycle.scope is not self.scope)

    def _stop_head(self) -> None:
        self._received = 0
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _stop_reader(self) -> None:
        if self._reader_due is not None:
            self._reader_due.cancel()
            self._reader_due = None


def timed_heads(seconds: float) -> Any:
    """`TimedHeads` with this deadline, as uvicorn makes one for each connection."""
    return type("TimedHeads", (TimedHeads,), {"seconds": seconds})
