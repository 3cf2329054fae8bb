"""Small situations in which everything can be looked up: users are asked for the last event of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import torch
from torch import Tensor

from segue.backbones.causal_transformer import CausalTransformer
from segue.core.batches import SequenceBatch
from segue.core.codes import ItemCodes
from segue.core.ranking import Rules
from segue.core.tables import Catalog, Dataset, InteractionLog, Split
from segue.core.trajectories import Situation
from segue.decoding.exact_likelihood import ExactLikelihood
from segue.models.token_generator import TokenGenerator, TokenGeneratorModel
from segue.testing.worlds import leave_two_out

Shown = tuple[int, int, int, int]
"""User, item, time, taken."""


def walks_of(walks: Sequence[Sequence[int]], items: int) -> Split:
    """A world of these users; the last two events of each are held out."""
    lengths = np.array([len(walk) for walk in walks])
    return leave_two_out("walks", np.array([item for walk in walks for item in walk]), lengths, items)


def shown_world(rows: Sequence[Shown], items: int = 20, **columns: Sequence[int]) -> Split:
    """From everything that was shown, users together: the taken ones are the log, their last two are held out."""
    table = np.array(rows, dtype=np.int64)
    facts = {name: np.array(values) for name, values in columns.items()}
    users = int(table[:, 0].max()) + 1
    people = pl.DataFrame({"user_id": [str(user) for user in range(users)]})

    def log_of(chosen: np.ndarray) -> InteractionLog:
        return InteractionLog(
            items=table[chosen, 1].astype(np.int32),
            offsets=np.searchsorted(table[chosen, 0], np.arange(users + 1)),
            users=people,
            timestamps=table[chosen, 2],
            columns={name: values[chosen] for name, values in facts.items()},
        )

    taken = table[:, 3] == 1
    log = log_of(taken)
    split = leave_two_out("shown", log.items, np.diff(log.offsets), items)
    catalog = Catalog(pl.DataFrame({"item_id": [str(item) for item in range(items)]}))
    dataset = Dataset("shown", log, catalog, "shown", exposures=log_of(np.ones(len(table), dtype=bool)))
    return replace(split, dataset=dataset)


def generator(items: int, levels: int = 3, size: int = 5, seed: int = 0) -> TokenGeneratorModel:
    """A small generator with random weights, whose probabilities are far from even."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        codes = ItemCodes(np.random.default_rng(seed).integers(0, size, (items, levels)), (size,) * levels)
        backbone = CausalTransformer(width=8, depth=1, heads=2, inner=16, dropout=0.0)
        return TokenGenerator(spread=1.0).build(backbone, codes, 50).eval()


def situation(
    split: Split, *, model: TokenGeneratorModel | None = None, utility: Tensor | None = None, progress: float = 0.0
) -> Situation:
    """Every user who has two training events or more, asked for the last of them; `utility` is by item."""
    train = split.train.take(np.flatnonzero(split.train.lengths > 1))
    train = train.take(np.argsort(train.lengths, kind="stable"))
    events = train.ends - 1
    owned = torch.zeros(len(train), len(split.catalog), dtype=torch.bool)
    for row in range(len(train)):
        owned[row, train.items[train.starts[row] : train.ends[row]].tolist()] = True
    histories = replace(train, ends=events)
    return Situation(
        split=split,
        histories=histories,
        batch=SequenceBatch.of(histories),
        positives=torch.from_numpy(train.items[events].astype(np.int64)),
        events=torch.from_numpy(events),
        progress=progress,
        model=generator(len(split.catalog)) if model is None else model,
        taken=lambda items: owned.gather(1, items),
        utility=None if utility is None else lambda items: utility[items],
    )


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


ITEMS = 30
STEPS = walks_of([[user, user + 5, user + 9, user + 11, 0, 0] for user in range(15)], ITEMS)
"""Fifteen users, asked after three items for the fourth."""
MODEL = generator(ITEMS, size=6)


def asked(**settings: object) -> Situation:
    """The fifteen users before one generator."""
    return situation(STEPS, model=MODEL, **settings)


def had(user: int) -> set[int]:
    """What a user of `STEPS` has in training, the positive among it."""
    return {user, user + 5, user + 9, user + 11}


def chances(some: Situation) -> Tensor:
    """log P of every item for every user, as the exact walk has it."""
    ranking = ExactLikelihood()(MODEL, some.histories, ITEMS, Rules(seen=True))
    found = torch.empty(ranking.items.shape)
    return found.scatter(1, torch.from_numpy(ranking.items), torch.from_numpy(ranking.scores).float())
