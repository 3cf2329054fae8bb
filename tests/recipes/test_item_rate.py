"""The rate of an item, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest

from segue.core.errors import SettingsError
from segue.core.impressions import UNKNOWN, RankingSplit
from segue.core.ranking import Rules
from segue.core.run import Run
from segue.recipes import item_rate
from segue.testing import ring
from segue.testing.requests import parity_requests


def counted(items: list[int], labels: list[list[int]]) -> RankingSplit:
    """The parity requests with one request of these items to learn from."""
    split = parity_requests()
    one = split.learnt.take(np.array([0]))
    learnt = replace(
        one,
        items=np.array(items),
        bounds=np.array([0, len(items)]),
        labels=np.array(labels, dtype=np.int8),
        events=np.arange(len(items)),
        features={},
    )
    return replace(split, learnt=learnt)


def test_the_rate_is_drawn_towards_that_of_all_items() -> None:
    split = counted([3, 3, 3, 5], [[1, 1], [1, UNKNOWN], [0, 1], [0, UNKNOWN]])
    ranker = item_rate.RECIPE.changed({"strength": 2.0}).fit(split, Run())
    rates = ranker.weights()["rates"]
    assert rates[3].tolist() == pytest.approx([(2 + 2 * 0.5) / 5, 1.0])
    assert rates[5, 0] == pytest.approx((0 + 2 * 0.5) / 3)
    assert rates[0].tolist() == pytest.approx([0.5, 1.0])  # never shown: the rate of all items


def test_of_an_action_that_nobody_knows_it_says_a_half() -> None:
    ranker = item_rate.RECIPE.fit(counted([3], [[1, UNKNOWN]]), Run())
    assert ranker.weights()["rates"][:, 1].tolist() == [0.5] * 12


def test_everybody_is_told_the_same_whatever_the_labels() -> None:
    split = parity_requests()
    ranker = item_rate.RECIPE.fit(split, Run())
    chances = ranker.probabilities(split.asked)
    assert chances.shape == (len(split.asked.items), 2)
    assert np.array_equal(chances, ranker.weights()["rates"].numpy().astype(np.float32)[split.asked.items])
    other = replace(split.asked, labels=1 - split.asked.labels)
    assert np.array_equal(ranker.probabilities(other), chances)


def test_it_is_restored_from_its_weights() -> None:
    split = parity_requests()
    ranker = item_rate.RECIPE.fit(split, Run())
    again = item_rate.RECIPE.restore(split.catalog, ranker.weights())
    assert again.schema == split.schema
    assert np.array_equal(again.probabilities(split.asked), ranker.probabilities(split.asked))


def test_it_recommends_the_items_of_the_highest_rate() -> None:
    split = parity_requests()
    ranker = item_rate.RECIPE.fit(split, Run())
    rates = ranker.weights()["rates"][:, 0].numpy()
    found = ranker.recommend(split.asked.histories.take(slice(0, 2)), 3, Rules(seen=True))
    assert found.items.tolist() == [np.argsort(-rates, kind="stable")[:3].tolist()] * 2


def test_a_split_without_requests_is_refused() -> None:
    with pytest.raises(SettingsError, match="requests_by_time"):
        item_rate.RECIPE.fit(ring(users=4, items=5), Run())
