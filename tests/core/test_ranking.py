"""Rules and rankings, by hand."""

import numpy as np

from segue.core.ranking import Ranking, Rules


def test_allow_and_deny_lists_meet() -> None:
    rules = Rules(allow=np.array([1, 2, 3]), deny=np.array([2]))
    assert rules.allows(np.arange(5), 5).tolist() == [False, True, False, True, False]
    assert Rules().allows(np.array([4, 0]), 5).tolist() == [True, True]
    assert not Rules(allow=np.array([], dtype=np.int64)).allows(np.arange(5), 5).any()


def test_top_cuts_and_stack_joins() -> None:
    ranking = Ranking(np.array([[3, 1, 2]]), np.array([[0.9, 0.5, 0.1]]))
    joined = Ranking.stack([ranking.top(2), ranking.top(2)])
    assert len(joined) == 2
    assert joined.items.tolist() == [[3, 1], [3, 1]]
    assert joined.scores.tolist() == [[0.9, 0.5], [0.9, 0.5]]
