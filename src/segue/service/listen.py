"""Listening on a port until somebody says stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segue.core.errors import SegueError, SettingsError
from segue.core.extras import require
from segue.service.app import application
from segue.service.door import EXHAUSTED, Door, most_connections
from segue.service.heads import timed_heads
from segue.service.service import Service
from segue.service.settings import ServiceSettings

_LOG = logging.getLogger(__name__)
SWITCH = 0.0005
"""Seconds that a thread may keep Python's lock while another wants it. The thread of a system gives it up at each
product; with the usual 0.005 it waits ten times as long until the event loop gives it back."""
UNREAD = 30_000
"""Milliseconds for which what was sent may lie unread at the other end before the connection is given up."""


@dataclass(frozen=True)
class Listening:
    """What is said to whoever started the service."""

    say: Callable[[str], None]
    store: Path | None = None
    """The file in which events are kept, if nobody chose it."""


def bound(settings: ServiceSettings) -> Door:
    """A door on the address that the settings name, before anything else is touched.

    Raises:
        SettingsError: the address is taken or not ours, or others could reach a service without a token.
    """
    if not settings.loopback and settings.token is None:
        raise SettingsError(
            f"--host {settings.host}: others can reach the service there, so it needs a token. Write one to a file "
            "that only you can read, such as by 'openssl rand -hex 32 > token', and name it with --token-file."
        )
    try:
        listener = socket.create_server(
            (settings.host, settings.port),
            family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET,
            backlog=1024,
            reuse_port=False,
        )
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}. Choose another with --port."
        ) from None
    # asyncio does it only for sockets that say they are TCP; without, each body waits 40 ms for the head's receipt
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD)
    return Door(listener, most=most_connections(), each=settings.connections)


def listen(service: Service, listener: Door, listening: Listening) -> None:
    """Serve until Ctrl-C or SIGTERM, then finish what was begun.

    Raises:
        SegueError: the systems cannot be loaded.
    """
    settings = service.settings
    uvicorn = require("uvicorn", extra="serve")
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        application(service), http=timed_heads(settings.deadline), ws="none", access_log=False, log_config=None,
        server_header=False, timeout_keep_alive=30, timeout_graceful_shutdown=int(settings.deadline) + 1, lifespan="on",
    )  # fmt: skip
    server = uvicorn.Server(config)
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{name}:{listener.getsockname()[1]}"

    async def serving() -> None:
        asyncio.get_running_loop().set_exception_handler(_log_fault)
        telling = asyncio.create_task(_tell(service, server, url, listening))
        await server.serve(sockets=[listener])
        telling.cancel()

    listening.say(f"loading {', '.join(service.runs)} ...")
    sys.setswitchinterval(SWITCH)
    with contextlib.suppress(KeyboardInterrupt):  # raised again by uvicorn, after all was finished
        asyncio.run(serving())
    if service.broken is not None:
        raise SegueError(service.broken)


def _kept_in(store: Path, events: int) -> str:
    """Where events go to: it may be beside a run of somebody else, where others serve runs too."""
    there = f", with {events:,} that are there" if events else ""
    whose = ""
    with contextlib.suppress(OSError, KeyError, NotImplementedError):
        if hasattr(os, "getuid") and store.parent.stat().st_uid != os.getuid():
            whose = f", in a folder of {store.parent.owner()}"
    return f"events are kept in {store}{whose}{there}, for all runs that are served from there; --store names another"


def _limits(settings: ServiceSettings) -> str:
    if not settings.allowed:
        return "requests are not limited (--rate none)"
    return (
        f"each client address may make {settings.allowed:g} requests a second, and {settings.burst:g} at once; "
        "--rate and --burst change it, --rate none lifts it"
    )


def _log_fault(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """As asyncio does, but in one line where there is no file for a connection."""
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in EXHAUSTED:
        _LOG.warning(
            "no further connection can be taken at the moment (%s); raise the limit: ulimit -n", error.strerror
        )
    else:
        loop.default_exception_handler(context)


async def _tell(service: Service, server: object, url: str, listening: Listening) -> None:
    """Say where the service is once it answers; end it if it never will."""
    try:
        await service.loaded()
    except SegueError:
        server.should_exit = True  # type: ignore[attr-defined]
        return
    # What has been loaded stays. Looked through for cycles now and then, it would stop all answers for 0.1 s each time.
    gc.collect()
    gc.freeze()
    systems = ", ".join(f"{name} ({host.warm.system})" for name, host in service.hosts.items())
    listening.say(f"Segue serves {systems}")
    for remark in service.remarks:
        listening.say(f"note: {remark}")
    if listening.store is not None:
        listening.say(_kept_in(listening.store, await asyncio.to_thread(service.store.count)))
    if not service.settings.loopback:
        listening.say(_limits(service.settings))
    listening.say(f"studio: {url}/studio/    API: {url}/openapi.json    stop: Ctrl-C")
