"""Real histories as the inputs of a graph, and what the fitted system itself says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from segue.core.batches import SequenceBatch
from segue.core.impressions import Impressions
from segue.core.ranking import Rules
from segue.core.ranking_recipe import FittedRanker
from segue.core.recipe import FittedModel, Recommender
from segue.core.shapes import Float, Int
from segue.core.tables import Histories
from segue.export.graph import Graph, zeros_for

LONGER = 5
"""Events by which the longest history is longer than what a system looks at."""
LATER = 3600
"""Most seconds between the newest event and the question."""


@dataclass(frozen=True)
class Cases:
    """Inputs and the outputs that are expected, both by name; `judged` says which candidates of a row are real."""

    inputs: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]
    judged: np.ndarray | None = None

    @property
    def lengths(self) -> Int[np.ndarray, " rows"]:
        """Events of each history."""
        return self.inputs["lengths"]

    def take(self, rows: Sequence[int]) -> Cases:
        """Some of the rows, no wider than their longest history."""
        some = np.asarray(rows)
        width = max(1, int(self.lengths[some].max()))
        inputs = {name: values[some] for name, values in self.inputs.items()}
        for name in ("items", "timestamps", "actions"):
            if name in inputs:
                inputs[name] = inputs[name][:, :width]
        expected = {name: values[some] for name, values in self.expected.items()}
        return Cases(inputs, expected, None if self.judged is None else self.judged[some])


def histories_of(histories: Histories, window: int | None, rows: int, rng: np.random.Generator) -> Histories:
    """Some of these histories, cut at random: of one event, of all lengths, and longer than the window.

    Where nobody did so much, the longest is several users' one after another.
    """
    told = np.flatnonzero(histories.lengths > 0)
    chosen = histories.take(rng.choice(told, min(rows, len(told)), replace=False))
    lengths = rng.integers(1, chosen.lengths + 1)
    lengths[0] = 1
    some = replace(chosen, ends=chosen.starts + lengths)
    longest = histories.take(told[histories.lengths[told].argsort(kind="stable")[-64:]])
    wanted = int(longest.lengths[-1]) if window is None else window + LONGER
    places = longest.positions()[0]
    places = np.tile(places, -(-wanted // len(places)))[-wanted:]
    return _joined(some, histories, places)


def _joined(some: Histories, log: Histories, places: Int[np.ndarray, " events"]) -> Histories:
    """Some histories, one of the events at these places of the log, and one without events, in arrays of their own."""
    own, bounds = some.positions()
    every = np.concatenate([own, places])
    starts = np.concatenate([bounds[:-1], [bounds[-1], len(every)]])
    times = log.timestamps
    if times is not None:
        times = np.concatenate([times[own], np.sort(times[places])])
    return Histories(
        items=log.items[every].astype(np.int64),
        starts=starts,
        ends=np.concatenate([bounds[1:], [len(every), len(every)]]),
        users=np.concatenate([some.users, [-1, -1]]),
        timestamps=times,
    )


def cases_of_histories(graph: Graph, recommender: Recommender, histories: Histories, rng: np.random.Generator) -> Cases:
    """The cases of a system that recommends."""
    if recommender.recipe.knows_target_time and histories.timestamps is not None:
        newest = histories.timestamps[np.maximum(histories.ends - 1, 0)]
        histories = replace(histories, asked_at=newest + rng.integers(0, LATER, len(histories)))
    if graph.form == "items":
        return _searched(graph, recommender, histories)
    catalog = len(recommender.catalog)
    ranking = recommender.recommend(histories, catalog, Rules(seen=True))
    scores = np.zeros((len(histories), catalog), dtype=np.float32)
    np.put_along_axis(scores, ranking.items, ranking.scores, axis=1)
    expected = {"scores": scores}
    if isinstance(recommender, FittedModel):
        expected["user_vectors"] = _user_vectors(recommender, histories)
    return Cases(_inputs(graph, histories), expected)


def _searched(graph: Graph, recommender: Recommender, histories: Histories) -> Cases:
    """Each history twice: everything is allowed, and all but its own items."""
    k = graph.outputs[0].shape[1]
    assert isinstance(k, int)
    whole = recommender.recommend(histories, k, Rules(seen=True))
    fresh = recommender.recommend(histories, k, Rules(seen=False))
    twice = histories.take(np.tile(np.arange(len(histories)), 2))
    inputs = _inputs(graph, twice)
    inputs["allowed"][:] = True
    items, bounds = histories.packed()
    rows = np.repeat(np.arange(len(histories)), np.diff(bounds))
    inputs["allowed"][len(histories) + rows, items] = False
    return Cases(
        inputs,
        {"found": np.vstack([whole.items, fresh.items]), "scores": np.vstack([whole.scores, fresh.scores])},
    )


def cases_of_requests(graph: Graph, ranker: FittedRanker, asked: Impressions) -> Cases:
    """The cases of a ranker: real requests with what was done before them."""
    wide = max(1, int(asked.sizes.max()))
    inputs = _inputs(graph, asked.histories, candidates=wide)
    places, bounds = asked.histories.positions()
    rows = np.repeat(np.arange(len(asked)), np.diff(bounds))
    inputs["actions"][rows, np.arange(len(rows)) - bounds[rows]] = asked.actions[places]
    shown = np.arange(len(asked.items)) - asked.bounds[asked.owners]
    inputs["candidates"][asked.owners, shown] = asked.items
    users = asked.histories.users
    for name, values in asked.users.items():
        known = values[users.clip(0)] if len(values) else np.zeros(len(users))
        inputs[f"user_{name}"][:] = np.where(users >= 0, known, 0)
    for name, values in asked.features.items():
        inputs[f"place_{name}"][asked.owners, shown] = values
    judged = np.zeros((len(asked), wide), dtype=bool)
    judged[asked.owners, shown] = True
    expected = np.zeros((len(asked), wide, len(ranker.schema.tasks)), dtype=np.float32)
    expected[asked.owners, shown] = ranker.probabilities(asked)
    return Cases(inputs, {"probabilities": expected}, judged)


def _inputs(graph: Graph, histories: Histories, candidates: int = 1) -> dict[str, np.ndarray]:
    """The arrays of a graph, filled with what histories tell."""
    places, bounds = histories.positions()
    rows = np.repeat(np.arange(len(histories)), np.diff(bounds))
    steps = np.arange(len(rows)) - bounds[rows]
    length = max(1, int(histories.lengths.max(initial=1)))
    inputs = {
        port.name: zeros_for(port, users=len(histories), length=length, candidates=candidates) for port in graph.inputs
    }
    inputs["items"][rows, steps] = histories.items[places]
    inputs["lengths"][:] = histories.lengths
    if "timestamps" in inputs:
        assert histories.timestamps is not None
        inputs["timestamps"][rows, steps] = histories.timestamps[places]
    if "asked_at" in inputs:
        assert histories.asked_at is not None
        inputs["asked_at"][:] = histories.asked_at
    if "user" in inputs:
        inputs["user"][:] = histories.users
    return inputs


def _user_vectors(recommender: FittedModel, histories: Histories) -> Float[np.ndarray, "users width"]:
    """What the model itself says of the users, 0 for those without a history."""
    model = recommender.model
    recent = histories.latest(model.history)
    told = np.flatnonzero(recent.lengths > 0)
    with torch.inference_mode():
        vectors = np.zeros((len(histories), model.item_vectors().shape[1]), dtype=np.float32)
        batch = SequenceBatch.of(recent.take(told), target_time=recent.asked_at is not None)
        vectors[told[batch.order.numpy()]] = model.user_vectors(batch).float().numpy()
    return vectors
