"""Load on a service: a bounded number of requests over kept connections, from one asyncio process on this machine.

Only ever sent to the loopback. `closed` keeps so many requests under way and says how many a second were answered.
`steady` sends at a fixed rate whatever the answers do, and counts each wait from the moment when its request was due,
so that a service which stalls cannot hide it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

HOST = "127.0.0.1"
Request = tuple[str, dict[str, object]]
"""Path and body of a POST."""


@dataclass
class Load:
    """What came back."""

    waits: list[float] = field(default_factory=list)
    """Seconds of each answer."""
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.waits) / self.seconds

    def quantile(self, share: float) -> float:
        """The wait in milliseconds that such a share of the answers stayed within."""
        return 1000 * sorted(self.waits)[min(len(self.waits) - 1, int(share * len(self.waits)))]

    @property
    def errors(self) -> int:
        """Answers that were none."""
        return sum(count for status, count in self.statuses.items() if status != 200)

    def words(self) -> dict[str, float]:
        """For the line of results."""
        return {
            "answered": len(self.waits), "per_second": round(self.rate, 1), "errors": self.errors,
            **{f"p{round(100 * share)}_ms": round(self.quantile(share), 2) for share in (0.5, 0.95, 0.99)},
        }  # fmt: skip


async def closed(port: int, requests: Iterator[Request], *, at_once: int, seconds: float) -> Load:
    """So many clients, each of which asks again as soon as it was answered."""
    load, until = Load(), time.perf_counter() + seconds

    async def client() -> None:
        connection = _Connection(port)
        while time.perf_counter() < until:
            began = time.perf_counter()
            load.statuses[await connection.post(*next(requests))] += 1
            load.waits.append(time.perf_counter() - began)
        connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(at_once)))
    load.seconds = time.perf_counter() - began
    return load


async def steady(port: int, requests: Iterator[Request], *, rate: float, seconds: float, seed: int = 0) -> Load:
    """So many requests a second, at random moments (a Poisson process)."""
    load, draws = Load(), random.Random(seed)
    free: list[_Connection] = []
    running: set[asyncio.Task[None]] = set()
    began = due = time.perf_counter()

    async def ask(due: float, request: Request) -> None:
        connection = free.pop() if free else _Connection(port)
        load.statuses[await connection.post(*request)] += 1
        load.waits.append(time.perf_counter() - due)
        free.append(connection)

    while due < began + seconds:
        due += draws.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(ask(due, next(requests)))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    load.seconds = time.perf_counter() - began
    for connection in free:
        connection.close()
    return load


def asking(
    users: list[str],
    *,
    items: Sequence[str],
    system: str | None = None,
    k: int = 10,
    judged: int = 0,
    events: float = 0.0,
    seed: int = 0,
) -> Iterator[Request]:
    """Requests of random users for ever; before such a share of them the user is reported to have done something.

    Args:
        judged: random items of which a ranker is asked how likely they are; the best `k` of all are asked for without.
    """
    draws, numbers = random.Random(seed), itertools.count()
    run = f"{time.time_ns():x}"
    while True:
        user = draws.choice(users)
        if events and draws.random() < events / (1 + events):
            event = {"event_id": f"{run}-{next(numbers)}", "user_id": user, "item_id": draws.choice(items)}
            yield "/events", event
        elif judged:
            yield "/rank", {"user_id": user, "candidates": draws.sample(items, judged), "system": system}
        else:
            yield "/recommend", {"user_id": user, "k": k, "system": system}


def run(load: Callable[[], object]) -> object:
    """Run one of the above in an event loop of its own."""
    return asyncio.run(load())  # type: ignore[arg-type]


class _Connection:
    """One kept connection that posts JSON, one request after another."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: dict[str, object]) -> int:
        """The status of the answer, whose body is read and let go."""
        if self.streams is None:
            self.streams = await asyncio.open_connection(HOST, self.port)
        reader, writer = self.streams
        text = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\ncontent-length: {len(text)}"
        writer.write(head.encode() + b"\r\n\r\n" + text)
        answer = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(int(lengths[0].partition(b":")[2]))
        return int(answer.split(b" ", 2)[1])

    def close(self) -> None:
        """Hang up."""
        if self.streams is not None:
            self.streams[1].close()
