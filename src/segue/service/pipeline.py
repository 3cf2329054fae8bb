"""Two stages as one system: a retriever names candidates, a ranker sorts them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from segue.core.errors import SettingsError
from segue.core.ranking_recipe import Ranker
from segue.service.batching import MicroBatches
from segue.service.host import Host
from segue.service.problems import invalid
from segue.service.questions import ForItems, ForProbabilities, Items, Probabilities, Question, answers
from segue.service.schemas import Recommended
from segue.service.warm import Form, Warm


class Pipeline:
    """Asks the retriever for more than is wanted, and answers with what the ranker likes best of it.

    Candidates that the ranker's catalog does not know stay behind those that it knows, in the retriever's order. Where
    nothing is known of a user, or of any candidate, the retriever's answer stands as it is. Both may be exchanged: each
    batch takes whoever answers at that moment.
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
        wanted = [self._more(one) for one in questions]
        judged = iter(answers(ranker, [one for one in wanted if isinstance(one, ForProbabilities)]))
        named = iter(answers(retriever, [one for one in wanted if not isinstance(one, ForProbabilities)]))
        found: list[Any] = [next(judged if isinstance(one, ForProbabilities) else named) for one in wanted]
        lists = {
            place: (question, answer)
            for place, (question, answer) in enumerate(zip(questions, found, strict=True))
            if isinstance(question, ForItems) and isinstance(answer, Items)
        }
        for place, best in zip(lists, _sorted(ranker, list(lists.values())), strict=True):
            found[place] = best
        return found

    def _more(self, question: Question) -> Question:
        return replace(question, k=max(question.k, self.candidates)) if isinstance(question, ForItems) else question


def _sorted(ranker: Warm, named: Sequence[tuple[ForItems, Items]]) -> list[Items | Exception]:
    """What the ranker makes of these candidates, all judged in one call."""
    if not isinstance(ranker.recommender, Ranker):
        return [invalid(f"{ranker.run} does not judge candidates; swap a ranker in.", name="wrong-form") for _ in named]
    judgements: dict[int, ForProbabilities] = {}
    for place, (question, answer) in enumerate(named):
        # Items that came later have no vector by which they could be judged.
        ids = [one.item_id for one in answer.items if one.item_id in ranker.row_of]
        able = tuple(item for item in ids if item not in ranker.reasons)
        if answer.known and able:
            judgements[place] = ForProbabilities(question.asked, able)
    judged = dict(zip(judgements, answers(ranker, list(judgements.values())), strict=True))
    return [_in_order(answer, judged.get(place), question.k) for place, (question, answer) in enumerate(named)]


def _in_order(named: Items, judged: Any, k: int) -> Items | Exception:
    """The k best by the probability of the first action, and behind them what was not judged."""
    if isinstance(judged, Exception):
        return judged
    if not isinstance(judged, Probabilities):
        return replace(named, items=named.items[:k])
    titles = {one.item_id: one.title for one in named.items}
    chances = {one.item_id: one.probabilities[judged.by] for one in judged.items}
    ordered = [*chances, *(item for item in titles if item not in chances)]
    best = [Recommended(item_id=item, title=titles[item], score=chances.get(item, 0.0)) for item in ordered[:k]]
    return replace(named, items=best)
