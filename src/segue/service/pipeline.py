"""Two stages as one system: a retriever names candidates, a ranker sorts them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import compress
from typing import Any

import numpy as np

from segue.core.errors import SegueError, SettingsError
from segue.core.ranking_recipe import Ranker
from segue.service.batching import MicroBatches
from segue.service.host import Host
from segue.service.problems import Problem, invalid
from segue.service.questions import ForItems, ForProbabilities, Items, Question, answers, probabilities
from segue.service.schemas import Recommended
from segue.service.warm import Form, Warm


class Pipeline:
    """Asks the retriever for more than is wanted, and answers with what the ranker likes best of it.

    Candidates that the ranker's catalog does not know stay behind those that it knows, in the retriever's order. Where
    nothing is known of a user the retriever's answer stands as it is. Both may be exchanged: each batch takes whoever
    answers at that moment.
    """

    def __init__(
        self,
        retriever: Host,
        ranker: Host,
        *,
        candidates: int,
        batch: int,
        waiting: int,
        watch: Callable[[str, int, float], None],
    ) -> None:
        if not isinstance(ranker.warm.recommender, Ranker):
            raise SettingsError(
                f"--ranker {ranker.name}: {ranker.warm.system} does not judge candidates; name a run of a ranker, such "
                "as dfgr."
            )
        self.retriever, self.ranker, self.candidates = retriever, ranker, candidates
        self.name = name = f"{retriever.name}+{ranker.name}"
        self.batches: MicroBatches[Question, Any] = MicroBatches(
            self._answer, name=name, most=batch, waiting=waiting, watch=watch
        )

    @property
    def warm(self) -> Warm:
        """The retriever's run: its catalog is what can be recommended."""
        return self.retriever.warm

    @property
    def form(self) -> Form:
        """Two stages."""
        return "pipeline"

    async def ask(self, question: Question, seconds: float) -> Any:
        """The answer to one question."""
        return await self.batches.ask(question, seconds)

    def close(self) -> None:
        """Answer who waits, then end."""
        self.batches.close()

    def _answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        retriever, ranker = self.retriever.warm, self.ranker.warm
        lists = [replace(one, k=max(one.k, self.candidates)) for one in questions if isinstance(one, ForItems)]
        named = iter(answers(retriever, lists))
        return [
            self._sorted(ranker, one, next(named))
            if isinstance(one, ForItems)
            else answers(ranker if isinstance(one, ForProbabilities) else retriever, [one])[0]
            for one in questions
        ]

    def _sorted(self, ranker: Warm, question: ForItems, named: Any) -> Items | Exception:
        if not isinstance(named, Items):
            return named if isinstance(named, Exception) else RuntimeError(f"{self.name}: no list of candidates came")
        if not named.known or not named.items:
            return replace(named, items=named.items[: question.k])
        # Items that came later have no vector by which they could be judged.
        able = [one.item_id in ranker.row_of and one.item_id not in ranker.reasons for one in named.items]
        known = list(compress(named.items, able))
        strangers = [one for one, judged in zip(named.items, able, strict=True) if not judged]
        try:
            with ranker.lock:
                judge = ranker.recommender
                if not isinstance(judge, Ranker):
                    raise invalid(f"{ranker.run} does not judge candidates; swap a ranker in.", name="wrong-form")
                rows = ranker.rows([one.item_id for one in known], "body.candidates")
                chances, _ = probabilities(ranker, judge, question.asked, rows)
        except (Problem, SegueError) as problem:
            return problem
        order = np.argsort(-chances[:, 0], kind="stable").tolist() if known else []
        best = [
            Recommended(item_id=known[place].item_id, title=known[place].title, score=float(chances[place, 0]))
            for place in order
        ]
        behind = [Recommended(item_id=one.item_id, title=one.title, score=0.0) for one in strangers]
        return replace(named, items=(best + behind)[: question.k])
