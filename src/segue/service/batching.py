"""Requests that wait at the same time are answered in one go, by a thread of their own."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from segue.service.problems import unavailable

Question = TypeVar("Question")
Answer = TypeVar("Answer")
_LOG = logging.getLogger(__name__)


@dataclass
class _Waiting(Generic[Question, Answer]):
    question: Question
    answer: asyncio.Future[Answer]
    until: float


class MicroBatches(Generic[Question, Answer]):
    """One thread that takes all that waits, up to `most`, as soon as it has answered what it took before.

    Nobody waits for a batch to fill: with one request at a time each is a batch of its own, and the more come, the
    larger batches grow by themselves. A fault of one batch goes to those who asked in it and to nobody else.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Question]], Sequence[Answer | Exception]],
        *,
        name: str,
        most: int,
        waiting: int,
        watch: Callable[[str, int, float], None] = lambda name, size, seconds: None,
    ) -> None:
        self._answer, self._most, self._limit, self._watch = answer, most, waiting, watch
        self.name = name
        self._queue: deque[_Waiting[Question, Answer]] = deque()
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"segue {name}", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._queue)

    async def ask(self, question: Question, seconds: float) -> Answer:
        """The answer to one question.

        Raises:
            Problem: too many wait, or there was no answer within so many seconds.
        """
        if len(self._queue) >= self._limit:
            raise unavailable(
                f"{len(self._queue)} requests wait for {self.name} already; ask again in a moment.", name="overloaded"
            )
        loop = asyncio.get_running_loop()
        waiting = _Waiting(question, loop.create_future(), time.monotonic() + seconds)
        with self._wake:
            if self._closed:
                raise unavailable(f"{self.name} is being put away; ask again.", name="closing")
            self._queue.append(waiting)
            self._wake.notify()
        try:
            async with asyncio.timeout(seconds):
                return await waiting.answer
        except TimeoutError:
            raise unavailable(f"{self.name} gave no answer within {seconds:g} s; ask again.", name="late") from None

    def close(self, seconds: float = 30.0) -> None:
        """Answer who waits already, and then end the thread; blocks until it has ended."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join(seconds)

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._queue and not self._closed:
                    self._wake.wait()
                if not self._queue:
                    return
                taken = [self._queue.popleft() for _ in range(min(len(self._queue), self._most))]
            began = time.monotonic()
            asked = [one for one in taken if not one.answer.done() and one.until > began]
            if asked:
                self._settle(asked, self._answers([one.question for one in asked]))
                self._watch(self.name, len(asked), time.monotonic() - began)

    def _answers(self, questions: Sequence[Question]) -> Sequence[Answer | Exception]:
        try:
            return self._answer(questions)
        except Exception as error:
            _LOG.exception("%s could not answer a batch of %d", self.name, len(questions))
            return [error] * len(questions)

    @staticmethod
    def _settle(asked: Sequence[_Waiting[Question, Answer]], answers: Sequence[Answer | Exception]) -> None:
        """Hand all answers over in one go; they are waited for in one event loop."""
        loop = asked[0].answer.get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(_hand_over, [one.answer for one in asked], answers)


def _hand_over(waiting: Sequence[asyncio.Future[Answer]], answers: Sequence[Answer | Exception]) -> None:
    for future, answer in zip(waiting, answers, strict=True):
        if future.done():
            continue  # given up in the meantime
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
