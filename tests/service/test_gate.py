"""What is turned away before any route is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from segue.service.gate import Gate
from segue.service.meters import Meters
from segue.service.settings import ServiceSettings

TOKEN = "0123456789abcdef"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the length of the body."""
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": str(length).encode()})


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("a secret of ours")


def ask(
    gate: Gate,
    headers: Mapping[str, str] = {},
    *,
    path: str = "/recommend",
    parts: Iterable[bytes | None] = (b"",),
    client: str = "127.0.0.1",
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one request; a part that is None never arrives."""
    pieces = list(parts)
    sent: list[Message] = []

    async def receive() -> Message:
        part = pieces.pop(0)
        if part is None:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": part, "more_body": bool(pieces)}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http", "method": "POST", "path": path, "client": (client, 1),
        "headers": [(name.encode(), value.encode()) for name, value in {"host": "127.0.0.1:1", **headers}.items()],
    }  # fmt: skip
    asyncio.run(gate(scope, receive, send))
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:])


def gate(app: Any = echo, **settings: Any) -> Gate:
    return Gate(app, ServiceSettings(**settings), Meters())


def test_what_is_fine_goes_through_with_headers_that_keep_browsers_careful() -> None:
    status, headers, body = ask(gate(), parts=(b"abc", b"de"))
    assert (status, body) == (200, b"5")
    assert headers["x-content-type-options"] == "nosniff"


def test_a_body_is_bounded_whether_its_length_was_told_or_not() -> None:
    small = gate(body=4)
    told, headers, body = ask(small, {"content-length": "5"}, parts=(b"abcde",))
    assert (told, headers["content-type"]) == (413, "application/problem+json")
    assert json.loads(body)["type"] == "urn:segue:problem:too-large"
    assert ask(small, parts=(b"abc", b"de"))[0] == 413
    assert ask(small, {"content-length": "-1"})[0] == 413
    assert ask(small, {"content-length": "4"}, parts=(b"abcd",))[0] == 200


def test_a_body_that_never_arrives_is_given_up() -> None:
    assert ask(gate(deadline=0.02), parts=(b"a", None))[0] == 408


def test_the_token_opens_everything_but_probes_and_the_studios_files_need_none() -> None:
    guarded = gate(token=TOKEN)
    assert ask(guarded)[0] == 401
    assert ask(guarded, {"authorization": f"Bearer {TOKEN}x"})[0] == 401
    assert ask(guarded, {"authorization": f"Basic {TOKEN}"})[0] == 401
    assert ask(guarded, {"authorization": f"bearer {TOKEN}"})[0] == 200
    for path in ("/health", "/ready", "/studio/app.js"):
        assert ask(guarded, path=path)[0] == 200
    for path in ("/metrics", "/studiox", "/openapi.json"):
        assert ask(guarded, path=path)[0] == 401


def test_a_strange_host_name_is_refused_on_the_loopback() -> None:
    assert ask(gate(), {"host": "evil.example:8321"})[0] == 400
    assert ask(gate(names=("shop.example",)), {"host": "Shop.example"})[0] == 200
    assert ask(gate(), {"host": "[::1]:8321"})[0] == 200


def test_each_client_has_a_rate_of_its_own() -> None:
    limited = gate(rate=0.001, burst=2)
    assert [ask(limited)[0] for _ in range(3)] == [200, 200, 429]
    assert int(ask(limited)[1]["retry-after"]) > 1
    assert ask(limited, client="10.0.0.1")[0] == 200
    assert ask(limited, path="/health")[0] == 200


def test_off_the_loopback_there_is_a_rate_unless_it_is_lifted() -> None:
    outside: dict[str, Any] = {"host": "0.0.0.0", "token": TOKEN, "burst": 1}
    key = {"authorization": f"Bearer {TOKEN}"}
    assert ServiceSettings(**outside).allowed == 100
    assert ServiceSettings().allowed == 0
    assert ServiceSettings(rate=5).allowed == 5
    limited, lifted = gate(**outside), gate(**outside, rate=0)
    assert [ask(limited, key)[0] for _ in range(2)] == [200, 429]
    assert [ask(lifted, key)[0] for _ in range(2)] == [200, 200]


def test_who_guesses_tokens_is_slowed_down_and_nobody_else_at_that_address() -> None:
    guarded = gate(token=TOKEN, rate=0.001, burst=2)
    wrong, right = {"authorization": "Bearer no"}, {"authorization": f"Bearer {TOKEN}"}
    assert [ask(guarded, wrong)[0] for _ in range(3)] == [401, 401, 429]
    assert ask(guarded, right)[0] == 200


@pytest.mark.parametrize("path", ["/events", "/health", "/", "/nowhere"])
def test_a_handshake_of_websockets_is_told_that_there_are_none(path: str) -> None:
    status, headers, body = ask(gate(), {"upgrade": "WebSocket", "connection": "Upgrade"}, path=path)
    assert (status, headers["content-type"]) == (404, "application/problem+json")
    assert json.loads(body)["type"] == "urn:segue:problem:no-websocket"


def test_a_server_that_reads_websockets_is_told_to_close_them() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(gate()({"type": "websocket", "path": "/events", "headers": []}, receive, send))
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_a_fault_is_a_problem_that_tells_nothing_of_the_inside() -> None:
    status, headers, body = ask(gate(failing))
    assert (status, headers["content-type"]) == (500, "application/problem+json")
    assert b"secret" not in body
