"""What every ranker must do, as a check that raises AssertionError and says what was found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from segue.core.impressions import UNKNOWN, Impressions, RankingSplit
from segue.core.ranking import NOTHING
from segue.core.ranking_recipe import Ranker, RankingRecipe
from segue.core.run import Run
from segue.core.shapes import Bool, Float, Int
from segue.core.tables import Histories
from segue.testing.requests import parity_requests

CLOSE = 1e-4
"""Answers that differ by less are the same: sums may be made in another order."""


def check_ranker(recipe: RankingRecipe, *, right: float = 0.75, users: int = 400, seed: int = 1) -> None:
    """Learns what only histories with their actions tell, looks at nothing it may not see, saves and loads.

    `right` is the AUC of 'click' on `parity_requests` that is asked for (the best possible one is about 0.9); it should
    be passed with room to spare with any `seed` and on any processor. A ranker is restored with seed 0, so another one
    tells whether all that was drawn is saved.
    """
    assert type(recipe).parse(recipe.dump()) == recipe, "the recipe is not the same after YAML"
    world = parity_requests(users=users)
    fitted = recipe.fit(world, Run(seed=seed))
    chances = _chances(fitted, world.asked)
    auc = _auc(chances[:, 0], world.asked.labels[:, 0])
    assert auc >= right, f"the AUC of clicks is {auc:.3f}, {right} is asked"
    _sees_only_what_came_before(fitted, world)
    _judges_each_item_alone(fitted, world.asked)
    _answers_strangers(fitted, world)
    restored = recipe.restore(world.catalog, fitted.weights())
    assert np.array_equal(restored.probabilities(world.asked), chances), "saving and loading changed the answers"
    short = parity_requests(users=20)
    once, again = (recipe.fit(short, Run(seed=seed)).probabilities(short.asked) for _ in range(2))
    assert np.array_equal(once, again), "the same seed gave other answers"


def _chances(fitted: Ranker, impressions: Impressions) -> Float[np.ndarray, "shown tasks"]:
    chances = fitted.probabilities(impressions)
    wanted = (len(impressions.items), len(fitted.schema.tasks))
    assert chances.shape == wanted, f"{wanted} probabilities are asked, {chances.shape} came"
    assert ((chances >= 0) & (chances <= 1)).all(), "a probability is not between 0 and 1"
    return chances


def _sees_only_what_came_before(fitted: Ranker, world: RankingSplit) -> None:
    """Labels, and events from an impression's own request on, change nothing; earlier ones do."""
    asked = world.learnt  # requests of a user share passes: what one may see, another may not
    chances = _chances(fitted, asked)
    hidden = _chances(fitted, replace(asked, labels=np.full_like(asked.labels, UNKNOWN)))
    assert np.array_equal(hidden, chances), "labels are looked at"
    request = len(asked) // len(np.unique(asked.histories.users)) // 2  # the middle one of the first user
    first = int(asked.histories.ends[request])
    last = int(asked.histories.ends[asked.histories.users == asked.histories.users[request]].max())
    actions, items = asked.actions.copy(), asked.histories.items.copy()
    actions[first:last] = 1 - actions[first:last]
    items[first:last] = (items[first:last] + 1) % world.schema.items
    otherwise = {
        "what was done": replace(asked, actions=actions),
        "what was shown": replace(asked, histories=replace(asked.histories, items=items)),
    }
    sees: Bool[np.ndarray, " shown"] = (
        (asked.histories.ends > first) & (asked.histories.users == asked.histories.users[request])
    )[asked.owners]
    for what, changed in otherwise.items():
        moved = np.abs(_chances(fitted, changed) - chances).max(axis=1)
        assert (moved[~sees] < CLOSE).all(), f"{what} in a request, or after it, is seen in that request"
        assert (moved[sees] > CLOSE).any(), f"{what} in the history changes nothing"


def _judges_each_item_alone(fitted: Ranker, asked: Impressions) -> None:
    """Other requests, other items of the request and their order change no answer."""
    rng = np.random.default_rng(0)
    chances = _chances(fitted, asked)
    requests = rng.permutation(len(asked))[: len(asked) // 2]
    some = asked.take(requests)
    assert _near(_chances(fitted, some), chances[asked.shown_of(requests)]), "other requests change an answer"
    order = np.lexsort((rng.random(len(asked.items)), asked.owners))
    assert _near(_chances(fitted, _picked(asked, order)), chances[order]), "the order of what is shown matters"
    kept = np.flatnonzero(rng.random(len(asked.items)) < 0.5)
    assert _near(_chances(fitted, _picked(asked, kept)), chances[kept]), "other items of a request change an answer"


def _answers_strangers(fitted: Ranker, world: RankingSplit) -> None:
    """Somebody without a history, or whom nobody knows, gets an answer too."""
    empty = world.learnt.take(np.flatnonzero(world.learnt.histories.lengths == 0))
    assert len(empty), "no request is without a history"
    _chances(fitted, empty)
    named = fitted.recommend(Histories.from_lists([[], [1, 2]]), 3).items
    assert (named != NOTHING).all(), "a stranger must be recommended something"


def _picked(asked: Impressions, places: Int[np.ndarray, " some"]) -> Impressions:
    """The same requests, each with these of its items; `places` ascend from request to request."""
    sizes = np.bincount(asked.owners[places], minlength=len(asked))
    return replace(
        asked,
        items=asked.items[places],
        bounds=np.concatenate([[0], np.cumsum(sizes)]),
        labels=asked.labels[places],
        events=asked.events[places],
        features={name: values[places] for name, values in asked.features.items()},
    )


def _near(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.abs(one - other).max() < CLOSE)


def _auc(scores: Float[np.ndarray, " shown"], labels: Int[np.ndarray, " shown"]) -> float:
    """How often a positive has a higher score than a negative, equal ones counting half."""
    negative, positive = np.sort(scores[labels == 0]), scores[labels == 1]
    beaten = np.searchsorted(negative, positive, "left") + np.searchsorted(negative, positive, "right")
    return float(beaten.mean() / 2 / len(negative))
