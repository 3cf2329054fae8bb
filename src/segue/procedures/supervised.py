"""Learn from what users did next, look at the validation cases now and then, keep the best."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import PositiveInt
from torch import nn

from segue.core.forms import Batches, Decoder, Objective, Procedure
from segue.core.ranking import Rules
from segue.core.run import Run
from segue.core.tables import Split
from segue.evaluation.accuracy import Ndcg
from segue.evaluation.metric import Targets
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
        cases = split.validation.timed() if batches.knows_target_time else split.validation
        if len(cases) > self.users:
            chosen = run.numpy_generator("validation").choice(len(cases), self.users, replace=False)
            cases = cases.take(np.sort(chosen))

        def evaluate() -> float:
            ranking = decoder(model, cases.histories, self.k, Rules(seen=self.seen))
            return float(Ndcg(k=self.k)(ranking, Targets.of(cases)).mean())

        train(model, batches, objective, split.train, split.item_counts(), self.loop, run, evaluate)
