"""The question that chooses weights while training: NDCG on the validation cases, the same ones at each look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from segue.core.forms import Decoder
from segue.core.ranking import Rules
from segue.core.run import Run
from segue.core.tables import Split
from segue.evaluation.accuracy import Ndcg
from segue.evaluation.metric import Targets


def validation_score(
    model: Any, decoder: Decoder, split: Split, run: Run, *, k: int, seen: bool, users: int, timed: bool = False
) -> Callable[[], float]:
    """A function that says the mean NDCG@k of the model as it is, of at most so many validation cases."""
    cases = split.validation.timed() if timed else split.validation
    if len(cases) > users:
        chosen = run.numpy_generator("validation").choice(len(cases), users, replace=False)
        cases = cases.take(np.sort(chosen))

    def score() -> float:
        ranking = decoder(model, cases.histories, k, Rules(seen=seen))
        return float(Ndcg(k=k)(ranking, Targets.of(cases)).mean())

    return score
