"""Exact ranking: nothing forbidden, nothing forgotten, ties to the lower row, whatever the size of a block."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from segue.backbones.gru import Gru
from segue.core.ranking import NOTHING, Ranking, Rules
from segue.core.tables import Histories
from segue.decoding import top_scores
from segue.decoding.top_scores import Scorer, TopScores, rank
from segue.models.item_scorer import ItemScorer, ItemScorerModel
from segue.testing import check_decoder

ITEMS = 9
LISTS = st.lists(st.lists(st.integers(0, ITEMS - 1), max_size=5), min_size=1, max_size=6)
SOME = st.none() | st.lists(st.integers(0, ITEMS - 1), max_size=ITEMS)
CPU = torch.device("cpu")


class Given(Scorer):
    """A score for each user and item, written down beforehand."""

    def __init__(self, scores: Tensor) -> None:
        self.scores = scores

    def __call__(self, rows: slice, chosen: Tensor | None, out: Tensor) -> None:
        out.copy_(self.scores[rows] if chosen is None else self.scores[rows][:, chosen])


def model_of() -> ItemScorerModel:
    torch.manual_seed(0)
    return ItemScorer(spread=1.0).build(Gru(width=8), items=ITEMS, length=4).eval()


def rows_of(ids: list[int] | None) -> np.ndarray | None:
    return None if ids is None else np.array(ids, dtype=np.int64)


def test_contract() -> None:
    check_decoder(TopScores(), model_of(), Histories.from_lists([[1, 2, 3], [4], [5, 6, 7, 8, 1], [2, 2]]), ITEMS)


@given(LISTS, SOME, SOME, st.booleans(), st.integers(1, ITEMS + 2), st.data())
def test_it_is_a_sort_of_what_is_allowed(lists, allow, deny, seen: bool, k: int, data) -> None:
    grades = st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=ITEMS, max_size=ITEMS)
    scores = [data.draw(grades) for _ in lists]
    rules = Rules(seen=seen, allow=rows_of(allow), deny=rows_of(deny))
    ranking = rank(Histories.from_lists(lists), k, rules, items=ITEMS, scorer=Given(torch.tensor(scores)), device=CPU)
    for row, history in enumerate(lists):
        allowed = [
            item
            for item in range(ITEMS)
            if (allow is None or item in allow) and item not in (deny or []) and (seen or item not in history)
        ]
        best = sorted(allowed, key=lambda item: (-scores[row][item], item))[:k]
        assert ranking.items[row].tolist() == best + [NOTHING] * (k - len(best))
        assert ranking.scores[row].tolist() == [scores[row][item] for item in best] + [-np.inf] * (k - len(best))


@pytest.mark.parametrize("rules", [Rules(), Rules(seen=True), Rules(allow=np.array([1, 3, 5, 7]), deny=np.array([3]))])
def test_small_blocks_of_users_and_of_tokens_change_nothing(rules: Rules, monkeypatch: pytest.MonkeyPatch) -> None:
    histories = Histories.from_lists([[row % ITEMS] * (row % 6) for row in range(23)])
    model = model_of()
    whole = TopScores()(model, histories, 4, rules)
    monkeypatch.setattr(top_scores, "SCORES_BYTES", 5 * 128 * 4)  # five users at a time
    pieces = TopScores(tokens=3)(model, histories, 4, rules)
    assert np.array_equal(pieces.items, whole.items)
    np.testing.assert_allclose(pieces.scores, whole.scores, rtol=1e-5)


def test_the_whole_history_is_forbidden_not_just_what_the_model_sees() -> None:
    ranking = TopScores()(model_of(), Histories.from_lists([[0, 1, 2, 3, 4, 5, 6]]), ITEMS, Rules())
    assert sorted(ranking.items[0].tolist()) == [*[NOTHING] * 7, 7, 8]


def test_nobody_asked_and_nothing_allowed() -> None:
    assert TopScores()(model_of(), Histories.from_lists([]), 3, Rules()).items.shape == (0, 3)
    none = Rules(allow=np.array([], dtype=np.int64))
    nothing: Ranking = TopScores()(model_of(), Histories.from_lists([[1]]), 3, none)
    assert nothing.items.tolist() == [[NOTHING] * 3]
