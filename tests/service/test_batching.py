"""Requests that wait together are answered together, each gets its own answer, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest

from segue.service.batching import MicroBatches
from segue.service.problems import Problem


class Doubler:
    """Doubles numbers, once it is allowed to; keeps the batches it was asked."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = threading.Event()
        self.open.set()

    def __call__(self, questions: Sequence[int]) -> list[int | Exception]:
        assert self.open.wait(10)
        self.batches.append(list(questions))
        return [ValueError("odd") if one % 2 else 2 * one for one in questions]


@pytest.fixture
def doubler() -> Doubler:
    return Doubler()


@pytest.fixture
def batches(doubler: Doubler) -> Iterator[MicroBatches[int, int]]:
    made: MicroBatches[int, int] = MicroBatches(doubler, name="doubler", most=4, waiting=8)
    yield made
    doubler.open.set()
    made.close()


async def _when_waiting(batches: MicroBatches[int, int], count: int) -> None:
    while len(batches) != count:
        await asyncio.sleep(0.001)


def test_who_waits_while_the_system_is_busy_is_answered_together(doubler: Doubler, batches: MicroBatches) -> None:
    async def ask() -> list[int]:
        doubler.open.clear()
        first = asyncio.create_task(batches.ask(2, 10))
        await asyncio.sleep(0)
        await _when_waiting(batches, 0)  # the thread has taken it
        others = [asyncio.create_task(batches.ask(one, 10)) for one in (4, 6, 8, 10, 12)]
        await _when_waiting(batches, 5)
        doubler.open.set()
        return [await one for one in (first, *others)]

    assert asyncio.run(ask()) == [4, 8, 12, 16, 20, 24]
    assert doubler.batches == [[2], [4, 6, 8, 10], [12]]


def test_a_fault_of_one_question_goes_to_who_asked_it(batches: MicroBatches) -> None:
    async def ask() -> list[object]:
        return await asyncio.gather(*(batches.ask(one, 10) for one in (2, 3, 4)), return_exceptions=True)

    first, second, third = asyncio.run(ask())
    assert (first, third) == (4, 8)
    assert isinstance(second, ValueError)


def test_a_batch_that_fails_fails_for_all_in_it_and_for_nobody_after() -> None:
    asked = []

    def answer(questions: Sequence[int]) -> list[int]:
        asked.append(questions)
        if len(asked) == 1:
            raise RuntimeError("broken")
        return list(questions)

    batches: MicroBatches[int, int] = MicroBatches(answer, name="system", most=4, waiting=4)

    async def ask() -> int:
        with pytest.raises(RuntimeError, match="broken"):
            await batches.ask(1, 10)
        return await batches.ask(2, 10)

    assert asyncio.run(ask()) == 2
    batches.close()


def test_too_many_are_turned_away_and_told_when_to_return(doubler: Doubler, batches: MicroBatches) -> None:
    async def ask() -> Problem:
        doubler.open.clear()
        tasks = [asyncio.create_task(batches.ask(2, 10))]
        await asyncio.sleep(0)
        await _when_waiting(batches, 0)
        tasks += [asyncio.create_task(batches.ask(2, 10)) for _ in range(8)]
        await _when_waiting(batches, 8)
        with pytest.raises(Problem) as turned_away:
            await batches.ask(2, 10)
        doubler.open.set()
        assert await asyncio.gather(*tasks) == [4] * 9
        return turned_away.value

    problem = asyncio.run(ask())
    assert problem.details.status == 503
    assert problem.headers["Retry-After"] == "1"


def test_nobody_waits_longer_than_the_deadline_and_who_gave_up_is_not_answered(
    doubler: Doubler, batches: MicroBatches
) -> None:
    async def ask() -> None:
        doubler.open.clear()
        first = asyncio.create_task(batches.ask(2, 10))
        await asyncio.sleep(0)
        await _when_waiting(batches, 0)
        with pytest.raises(Problem) as late:
            await batches.ask(4, 0.02)
        assert late.value.details.status == 503
        doubler.open.set()
        assert await first == 4
        assert await batches.ask(6, 10) == 12

    asyncio.run(ask())
    assert doubler.batches == [[2], [6]]


def test_closing_answers_who_waits_and_nobody_else(doubler: Doubler, batches: MicroBatches) -> None:
    async def ask() -> None:
        doubler.open.clear()
        tasks = [asyncio.create_task(batches.ask(2, 10)) for _ in range(3)]
        await asyncio.sleep(0.01)
        closing = asyncio.create_task(asyncio.to_thread(batches.close))
        await asyncio.sleep(0.01)
        doubler.open.set()
        await closing
        assert await asyncio.gather(*tasks) == [4] * 3
        with pytest.raises(Problem, match="put away"):
            await batches.ask(2, 1)

    asyncio.run(ask())
