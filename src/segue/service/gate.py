"""Before any route: who may ask, how much, how often, and what every answer carries."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
from collections import OrderedDict
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from segue.service.door import client_of
from segue.service.meters import Meters
from segue.service.problems import MEDIA_TYPE, Problem
from segue.service.settings import LOOPBACK, ServiceSettings

_LOG = logging.getLogger(__name__)
OPEN = ("/health", "/ready", "/", "/studio")
"""Paths that need no token: probes, and the studio's own files, which hold no data."""
SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
CLIENTS = 10_000
"""Clients whose rates are followed at once; who was quiet longest is forgotten first."""


class Gate:
    """One layer around the app: names allowed hosts, asks for the token, limits bodies and rates, counts and times.

    It also turns what nobody expected into a problem without details, which go to the log.
    """

    def __init__(self, app: ASGIApp, settings: ServiceSettings, meters: Meters) -> None:
        self.app, self.settings, self.meters = app, settings, meters
        self.hosts = {name.lower() for name in (*LOOPBACK, settings.host, *settings.names)}
        self.buckets: OrderedDict[tuple[str, bool], tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":  # of a server that reads them; ours does not
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500
        started = False

        async def sending(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self._admit(scope)
            await self.app(scope, _Bounded(receive, self.settings), sending)
        except Problem as problem:
            if not started:
                await respond(problem, sending)
        except Exception:
            _LOG.exception("%s %s failed", scope["method"], scope["path"])
            if not started:
                await respond(
                    Problem(500, "fault", "Fault of the service", "This is our fault; the service's log says more."),
                    sending,
                )
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self.meters.watch_request(scope["method"], route, status, time.perf_counter() - began)

    def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        self._check_host(headers)
        client = client_of((scope.get("client") or ("unknown", 0))[0])
        path = scope["path"]
        closed = self.settings.token is not None and path not in OPEN and not path.startswith("/studio/")
        admitted = not closed or self._has_token(headers)
        if self.settings.allowed and path not in ("/health", "/ready"):
            # Strangers who share an address with somebody who has the token do not use up what is allowed to them.
            self._check_rate((client, closed and admitted))
        if not admitted:
            raise Problem(
                401, "token", "A token is needed", "Send the header 'Authorization: Bearer TOKEN'.",
                headers={"WWW-Authenticate": "Bearer"},
            )  # fmt: skip
        if headers.get("upgrade", "").lower() == "websocket":
            raise Problem(404, "no-websocket", "No WebSockets", f"There is no WebSocket at {path[:200]}; ask by HTTP.")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self.settings.body:
            raise _too_large(self.settings.body)

    def _check_host(self, headers: Headers) -> None:
        """A page of a stranger may make a browser resolve its own name to this machine; it cannot change the name."""
        name = _host_name(headers.get("host", ""))
        if self.settings.loopback and name not in self.hosts:
            raise Problem(
                400,
                "host",
                "Unknown host",
                f"This service is not called {name[:100]!r}; it may be given names by --name.",
            )

    def _has_token(self, headers: Headers) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        wanted = self.settings.token or ""
        return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), wanted.encode())

    def _check_rate(self, client: tuple[str, bool]) -> None:
        """A bucket of `burst` requests for each client, filled at `rate` a second."""
        now, rate, burst = time.monotonic(), self.settings.allowed, float(self.settings.burst)
        level, since = self.buckets.pop(client, (burst, now))
        level = min(burst, level + (now - since) * rate)
        allowed = level >= 1
        self.buckets[client] = (level - 1 if allowed else level), now
        if len(self.buckets) > CLIENTS:
            self.buckets.popitem(last=False)
        if not allowed:
            wait = max(1, round((1 - level) / rate + 0.5))
            raise Problem(
                429, "rate", "Too many requests",
                f"More than {rate:g} requests a second (and {burst:g} at once) from this client.",
                headers={"Retry-After": str(wait)},
            )  # fmt: skip


class _Bounded:
    """Receives a body of bounded size in bounded time."""

    def __init__(self, receive: Receive, settings: ServiceSettings) -> None:
        self.receive, self.most, self.left = receive, settings.body, settings.body
        self.until = time.monotonic() + settings.deadline
        self.whole = False

    async def __call__(self) -> Message:
        if self.whole:
            return await self.receive()  # waits for the client to go away
        try:
            async with asyncio.timeout(max(0.0, self.until - time.monotonic())):
                message = await self.receive()
        except TimeoutError:
            raise Problem(408, "slow", "Too slow", "The body did not arrive in time.") from None
        if message["type"] == "http.request":
            self.left -= len(message.get("body", b""))
            self.whole = not message.get("more_body", False)
            if self.left < 0:
                raise _too_large(self.most)
        return message


def _too_large(most: int) -> Problem:
    return Problem(413, "too-large", "Body too large", f"The body may have {most:,} bytes; send several requests.")


def _host_name(host: str) -> str:
    """Without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


async def respond(problem: Problem, send: Send) -> None:
    """Send problem details where there is no route to do it."""
    body = json.dumps(problem.body).encode()
    headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **problem.headers}
    raw: list[Any] = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.details.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
