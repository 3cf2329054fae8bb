"""Ask a token system twice, by its own decoder and exactly, and say how far the two are apart."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor

from segue.core.batches import SequenceBatch
from segue.core.ranking import NOTHING, Ranking, Rules
from segue.core.recipe import FittedModel
from segue.core.run import Run
from segue.core.seeding import numpy_generator
from segue.core.tables import Cases, Histories
from segue.decoding.exact_likelihood import ExactLikelihood
from segue.decoding.top_scores import WholeRows, rank
from segue.evaluation.beam_gap import BeamGap
from segue.evaluation.metric import Targets

USERS = 200
"""Users that are asked twice, the same ones for each seed."""
WORK = 300_000
"""Users x items that are scored at most: exact scores cost as much as a beam with as many prefixes as there are. With
`tiger_tuned` that was a minute or two on one busy core."""
FEWEST = 10
"""Below so many users a mean says nothing, and nothing is compared."""
BLOCK = 64
"""Users scored at once."""


def beam_gap(fitted: FittedModel, cases: Cases, k: int, longest: int, rules: Rules, run: Run) -> BeamGap | None:
    """How far the recipe's decoder is from the exact ranking, at k places of the `longest` that the report asks for.

    None for systems without codes, and where the catalogue is so large that only a handful of users could be asked.
    """
    cases = _some(cases, len(fitted.catalog))
    if fitted.tokenizer is None or len(cases) < FEWEST:
        return None
    histories = cases.histories
    run.begin("what the beam lost", 2 * len(cases))
    began = time.monotonic()
    # As long a list as in the report: a decoder may search wider for a longer one.
    beam = fitted.recommend(histories, longest, rules).top(k)
    seconds = {"beam": time.monotonic() - began}
    run.advance(len(cases))
    began = time.monotonic()
    exact, masses = _exactly(fitted, histories, beam, k, rules, run)
    seconds["exact"] = time.monotonic() - began
    run.end()
    return BeamGap.of(beam, exact, Targets.of(cases), masses, seconds)


def _some(cases: Cases, items: int) -> Cases:
    """Test users who have a history: who has none is not answered by the model."""
    filled = np.flatnonzero(cases.histories.lengths > 0)
    most = min(USERS, WORK // items)
    if len(filled) > most:
        filled = np.sort(numpy_generator(0, "beam gap").choice(filled, most, replace=False))
    return cases.take(filled)


def _exactly(
    fitted: FittedModel, histories: Histories, beam: Ranking, k: int, rules: Rules, run: Run
) -> tuple[Ranking, dict[str, np.ndarray]]:
    """The exact ranking, and for each user the probability of both lists and of the whole catalogue."""
    model, items = fitted.model, len(fitted.catalog)
    device, decoder = model.tree.items.device, ExactLikelihood()
    parts: list[Ranking] = []
    masses: dict[str, list[np.ndarray]] = {"beam": [], "exact": [], "inside": []}
    with torch.inference_mode():
        for begin in range(0, len(histories), BLOCK):
            rows = slice(begin, min(begin + BLOCK, len(histories)))
            some = histories.take(rows)
            batch = SequenceBatch.of(some.latest(model.history)).to(device)
            scores = torch.empty(len(some), items, device=device)
            scores[batch.order] = decoder.likelihood(model, batch)
            scorer = WholeRows(items, scores.__getitem__)
            parts.append(rank(some, k, rules, items=items, scorer=scorer, device=device))
            masses["beam"].append(_mass(scores, beam.items[rows]))
            masses["exact"].append(_mass(scores, parts[-1].items))
            masses["inside"].append(scores.double().exp().sum(dim=1).cpu().numpy())
            run.advance(len(some))
    return Ranking.stack(parts), {name: np.concatenate(values) for name, values in masses.items()}


def _mass(scores: Tensor, items: np.ndarray) -> np.ndarray:
    """The probability of the named items of each row together."""
    named = torch.from_numpy(items).to(scores.device)
    chances = scores.gather(1, named.clamp_min(0)).double().exp() * (named != NOTHING)
    found: np.ndarray = chances.sum(dim=1).cpu().numpy()
    return found
