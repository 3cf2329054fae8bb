"""Learn from what users did next, look at the validation cases now and then, keep the best."""

from __future__ import annotations

from typing import Any

from pydantic import PositiveInt
from torch import nn

from segue.core.forms import Batches, Decoder, Objective, Procedure
from segue.core.run import Run
from segue.core.tables import Split
from segue.procedures._validation import validation_score
from segue.training.loop import Loop, train


class Supervised(Procedure):
    """Gradient steps on the objective; the weights with the best NDCG on the validation cases are kept."""

    loop: Loop = Loop()
    """How long, how fast and how carefully to train."""
    k: PositiveInt = 10
    """Length of the lists whose NDCG chooses the weights."""
    seen: bool = False
    """Whether items of the history may stand in those lists: as in the protocol of the final evaluation."""
    users: PositiveInt = 10_000
    """At most so many validation cases are looked at while training; the same ones each time."""

    def __call__(
        self,
        model: Any,
        batches: Batches,
        objective: Objective,
        decoder: Decoder,
        split: Split,
        run: Run,
    ) -> None:
        """Train the model in place."""
        assert isinstance(model, nn.Module)
        score = validation_score(
            model, decoder, split, run, k=self.k, seen=self.seen, users=self.users, timed=batches.knows_target_time
        )
        train(model, batches, objective, split.train, split.item_counts(), self.loop, run, score)
