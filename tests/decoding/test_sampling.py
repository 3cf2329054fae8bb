"""Roll-outs: draws from the model's own distribution, inside the trie, and never what must not be named."""

import numpy as np
import pytest
import torch

from decoding.token_models import Table, random_codes, random_model, some_histories
from segue.core.codes import ItemCodes
from segue.core.ranking import NOTHING, Rules
from segue.core.tables import Histories
from segue.decoding.exact_likelihood import ExactLikelihood
from segue.decoding.sampling import Sampling


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_draws_follow_the_distribution() -> None:
    """Chi-square over a full tree of 27 items: 26 degrees of freedom, 54.1 is exceeded once in a thousand."""
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    model, past = random_model(ItemCodes(grid, (3, 3, 3))), some_histories(27, 5)
    exact = ExactLikelihood()(model, past, 27, Rules(seen=True))
    expected = np.zeros(27)
    expected[exact.items[0]] = np.exp(exact.scores[0])
    drawn = Sampling()(model, past, 20_000, Rules(seen=True), rng())
    counts = np.bincount(drawn.items[0], minlength=27)
    keep = expected * 20_000 >= 5
    chi_square = ((counts - 20_000 * expected)[keep] ** 2 / (20_000 * expected[keep])).sum()
    assert chi_square < 54.1
    np.testing.assert_allclose(np.exp(drawn.log_chances[0]), expected[drawn.items[0]], rtol=1e-3, atol=1e-6)


def test_draws_stay_inside_the_trie_and_the_rules() -> None:
    codes = random_codes(40, 3, 5, weighted=True)
    model, past = random_model(codes), some_histories(40, 6, 0, 12)
    allow = np.arange(0, 40, 2)
    drawn = Sampling(temperature=3.0)(model, past, 200, Rules(allow=allow), rng())
    for row in (0, 2):
        seen = past.items[past.starts[row] : past.ends[row]]
        assert np.isin(drawn.items[row], np.setdiff1d(allow, seen)).all()
    assert (drawn.items[1] == NOTHING).all()


def test_who_may_get_nothing_gets_nothing() -> None:
    codes = ItemCodes(np.array([[0], [1]]), (2,))
    drawn = Sampling()(Table(codes, [[0.5, 0.5]]), Histories.from_lists([[0, 1], [0]]), 3, Rules(), rng())
    assert drawn.items.tolist() == [[NOTHING] * 3, [1] * 3]


@pytest.mark.parametrize(
    ("settings", "possible"),
    [({"top": 2}, {0, 1}), ({"nucleus": 0.5}, {0}), ({"nucleus": 0.51}, {0, 1}), ({"temperature": 0.01}, {0}),
     ({}, {0, 1, 2})],
)  # fmt: skip
def test_cuts_by_hand(settings: dict[str, float], possible: set[int]) -> None:
    model = Table(ItemCodes(np.array([[0], [1], [2]]), (3,)), [[0.5, 0.3, 0.2]])
    drawn = Sampling.parse(settings)(model, Histories.from_lists([[0]]), 500, Rules(seen=True), rng())
    assert set(drawn.items[0].tolist()) == possible


def test_the_same_generator_state_draws_the_same() -> None:
    model, past = random_model(random_codes(40, 3, 5)), some_histories(40, 6, 3)
    one, other = (Sampling()(model, past, 50, Rules(), rng(3)) for _ in range(2))
    assert np.array_equal(one.items, other.items)


def test_tuples_may_end_early() -> None:
    """0.3 end at once, 0.7 * 0.6 after a code, and the rest go on to where there is no room for an end."""
    codes = ItemCodes(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 1]]), (2, 2, 2), shared=True, end=0)
    model = Table(codes, [[0.3, 0.7], [0.6, 0.4], [0.5, 0.5]])
    drawn = Sampling()(model, Histories.from_lists([[0]]), 100, Rules(seen=True), rng())
    assert set(drawn.items[0].tolist()) == {0, 1, 2}
    np.testing.assert_allclose(drawn.log_chances[0], np.log([0.3, 0.42, 0.28])[drawn.items[0]], rtol=1e-5)
    one = Sampling()(model, Histories.from_lists([[0]]), 3, Rules(seen=True, deny=np.array([1, 2])), rng())
    assert one.items.tolist() == [[0, 0, 0]], "nothing is left to be written after the first code"
