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
from segue.decoding.top_scores import Scorer, TopScores, WholeRows, rank
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

    def choose(self, items: Tensor) -> None:
        self.scores = self.scores[:, items]

    def __call__(self, rows: slice, items: slice, out: Tensor) -> None:
        out.copy_(self.scores[rows, items])


def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two users and four items at a time."""
    monkeypatch.setattr(top_scores, "TILE", 4)
    monkeypatch.setattr(Scorer, "users", 2)


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
    scorer = Given(torch.tensor(scores))
    with pytest.MonkeyPatch.context() as monkeypatch:
        small_tiles(monkeypatch)
        ranking = rank(Histories.from_lists(lists), k, rules, items=ITEMS, scorer=scorer, device=CPU)
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
def test_small_tiles_and_few_tokens_at_once_change_nothing(rules: Rules, monkeypatch: pytest.MonkeyPatch) -> None:
    histories = Histories.from_lists([[row % ITEMS] * (row % 6) for row in range(23)])
    model = model_of()
    whole = TopScores()(model, histories, 4, rules)
    small_tiles(monkeypatch)
    pieces = TopScores(tokens=3)(model, histories, 4, rules)
    assert np.array_equal(pieces.items, whole.items)
    np.testing.assert_allclose(pieces.scores, whole.scores, rtol=1e-5, atol=1e-6)


def test_the_whole_history_is_forbidden_not_just_what_the_model_sees() -> None:
    ranking = TopScores()(model_of(), Histories.from_lists([[0, 1, 2, 3, 4, 5, 6]]), ITEMS, Rules())
    assert sorted(ranking.items[0].tolist()) == [*[NOTHING] * 7, 7, 8]


def test_nobody_asked_and_nothing_allowed() -> None:
    assert TopScores()(model_of(), Histories.from_lists([]), 3, Rules()).items.shape == (0, 3)
    none = Rules(allow=np.array([], dtype=np.int64))
    nothing: Ranking = TopScores()(model_of(), Histories.from_lists([[1]]), 3, none)
    assert nothing.items.tolist() == [[NOTHING] * 3]


def test_scores_that_come_in_whole_rows_are_dealt_out_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = torch.arange(3 * ITEMS).float().view(3, ITEMS) % 5
    asked: list[slice] = []

    def score(rows: slice) -> Tensor:
        asked.append(rows)
        return scores[rows]

    small_tiles(monkeypatch)
    histories = Histories.from_lists([[], [1], [2, 3]])
    for rules in (Rules(), Rules(allow=np.array([0, 2, 3, 5, 7, 8]))):
        asked.clear()
        found = rank(histories, 4, rules, items=ITEMS, scorer=WholeRows(ITEMS, score), device=CPU)
        wanted = rank(histories, 4, rules, items=ITEMS, scorer=Given(scores), device=CPU)
        assert np.array_equal(found.items, wanted.items)
        assert asked[0].start == 0
        assert [rows.start for rows in asked[1:]] == [rows.stop for rows in asked[:-1]], "each user is scored once"
