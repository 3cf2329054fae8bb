"""A process of its own that reports events: `reporter.py URL PREFIX COUNT OVERLAP`.

It writes the id of every event on a line as soon as the event was acknowledged, with 1 if it was new and 0 if not.
With COUNT 0 it goes on until it is killed.
"""

import asyncio
import sys
from itertools import count

from segue.core.served import Event
from segue.service.open_store import open_store
from segue.service.writer import Writer

CALLERS = 8


async def report(url: str, prefix: str, most: int, overlap: bool) -> None:
    writer = Writer(open_store(url), deadline=30)
    numbers = iter(range(most)) if most else count()

    async def call() -> None:
        for number in numbers:
            keys = [f"all-{number}"] if overlap else [f"{prefix}-{number}-a", f"{prefix}-{number}-b"]
            fresh = await writer.add([Event(key, f"u{number % 3}", "i", number) for key in keys])
            sys.stdout.writelines(f"{key} {int(new)}\n" for key, new in zip(keys, fresh, strict=True))
            sys.stdout.flush()

    await asyncio.gather(*(call() for _ in range(CALLERS)))
    await writer.close()


if __name__ == "__main__":
    asyncio.run(report(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "overlap"))
