"""A system under its public name: asked in batches, and exchanged while it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from segue.service.batching import MicroBatches
from segue.service.questions import Question, answers
from segue.service.warm import Form, Warm


@runtime_checkable
class Hosted(Protocol):
    """What a service asks: one system, or a pipeline of two."""

    name: str
    batches: MicroBatches[Question, Any]

    @property
    def form(self) -> Form:
        """How it answers."""
        ...

    @property
    def warm(self) -> Warm:
        """The run that turns ids into rows for it."""
        ...

    async def ask(self, question: Question, seconds: float) -> Any:
        """The answer to one question."""
        ...

    def close(self) -> None:
        """Answer who waits, then end."""
        ...


class Host:
    """One run that answers; `swap` puts another in its place between two batches, so that nobody notices."""

    def __init__(
        self, name: str, warm: Warm, *, batch: int, waiting: int, watch: Callable[[str, int, float], None]
    ) -> None:
        self.name, self._warm = name, warm
        self.batches: MicroBatches[Question, Any] = MicroBatches(
            self._answer, name=name, most=batch, waiting=waiting, watch=watch
        )

    @property
    def warm(self) -> Warm:
        """The run that answers now."""
        return self._warm

    @property
    def form(self) -> Form:
        """How it answers."""
        return self._warm.form

    def swap(self, warm: Warm) -> Warm:
        """Let another run answer from the next batch on; returns the one that answered so far."""
        before, self._warm = self._warm, warm
        return before

    async def ask(self, question: Question, seconds: float) -> Any:
        """The answer to one question.

        Raises:
            Problem: the question cannot be answered, too many wait, or it took too long.
        """
        return await self.batches.ask(question, seconds)

    def close(self) -> None:
        """Answer who waits, then end."""
        self.batches.close()

    def _answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        return answers(self._warm, questions)
