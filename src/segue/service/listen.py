"""Listening on a port until somebody says stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass

from segue.core.errors import SegueError, SettingsError
from segue.core.extras import require
from segue.service.app import application
from segue.service.service import Service
from segue.service.settings import ServiceSettings

SWITCH = 0.0005
"""Seconds that a thread may keep Python's lock while another wants it. The thread of a system gives it up at each
product; with the usual 0.005 it waits ten times as long until the event loop gives it back."""
CONNECTIONS = 2000
"""Connections that are open at once; further ones are turned away with 503."""


@dataclass(frozen=True)
class Listening:
    """What is said to whoever started the service."""

    say: Callable[[str], None]
    store: str | None = None
    """Where events are kept, if nobody chose it."""


def bound(settings: ServiceSettings) -> socket.socket:
    """A socket on the address that the settings name, before anything else is touched.

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
    return listener


def listen(service: Service, listener: socket.socket, listening: Listening) -> None:
    """Serve until Ctrl-C or SIGTERM, then finish what was begun.

    Raises:
        SegueError: the systems cannot be loaded.
    """
    settings = service.settings
    uvicorn = require("uvicorn", extra="serve")
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        application(service), access_log=False, log_config=None, server_header=False, limit_concurrency=CONNECTIONS,
        timeout_keep_alive=30, timeout_graceful_shutdown=int(settings.deadline) + 1, lifespan="on",
    )  # fmt: skip
    server = uvicorn.Server(config)
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{name}:{listener.getsockname()[1]}"

    async def serving() -> None:
        telling = asyncio.create_task(_tell(service, server, url, listening))
        await server.serve(sockets=[listener])
        telling.cancel()

    sys.setswitchinterval(SWITCH)
    with contextlib.suppress(KeyboardInterrupt):  # raised again by uvicorn, after all was finished
        asyncio.run(serving())
    if service.broken is not None:
        raise SegueError(service.broken)


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
    if listening.store is not None:
        listening.say(f"events are kept in {listening.store}")
    listening.say(f"studio: {url}/studio/    API: {url}/openapi.json    stop: Ctrl-C")
