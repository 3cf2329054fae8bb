"""Whatever the catalog and the histories: what is drawn was never taken, no item comes twice, and none is forgotten."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segue.core.ranking import NOTHING
from segue.trajectories import _unseen
from segue.trajectories._unseen import draw_unseen, first_left
from trajectories.situations import generator, rng, situation, walks_of

MODEL = generator(30)


@given(data=st.data(), items=st.integers(2, 30), count=st.integers(0, 12), seed=st.integers(0, 99))
def test_different_unseen_items_and_as_many_as_there_are(data, items: int, count: int, seed: int) -> None:
    walk = st.lists(st.integers(0, items - 1), min_size=4, max_size=40)
    split = walks_of(data.draw(st.lists(walk, min_size=1, max_size=4)), items)
    asked = situation(split, model=MODEL)
    drawn = draw_unseen(asked, count, rng(seed))
    for row in range(len(asked.positives)):
        user = int(asked.histories.users[row])
        had = set(split.train.items[split.train.starts[user] : split.train.ends[user]].tolist())
        found = [item for item in drawn[row].tolist() if item != NOTHING]
        assert len(found) == len(set(found)) == min(count, items - len(had))
        assert not set(found) & had
        assert drawn[row].tolist() == found + [NOTHING] * (count - len(found))


def test_every_unseen_item_is_as_likely_as_any_other() -> None:
    # Two users of a catalog of 8 who have had three items each: each other item is in 2 of 5 draws of two.
    asked = situation(walks_of([[0, 1, 2, 7, 7]] * 500 + [[5, 6, 7, 0, 0]] * 500, 8), model=MODEL)
    first, second = Counter(), Counter()
    for seed in range(4):
        drawn = draw_unseen(asked, 2, rng(seed))
        first.update(drawn[:500].flatten().tolist())
        second.update(drawn[500:].flatten().tolist())
    assert set(first) == {3, 4, 5, 6, 7}
    assert set(second) == {0, 1, 2, 3, 4}
    for counts in (first, second):
        # 4,000 draws over five items: 800 each, with a deviation of about 20
        assert max(abs(count - 800) for count in counts.values()) < 80


def test_a_user_who_has_nearly_everything_gets_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_unseen, "PIECE", 7)
    split = walks_of([[*range(95), 0, 0], [0, 1, 2, 0, 0]], 100)
    drawn = draw_unseen(situation(split, model=MODEL), 4, rng())
    assert set(drawn[1].tolist()) < set(range(95, 100))
    assert len(set(drawn[1].tolist())) == 4
    assert (drawn[0] > 2).all()


def test_the_same_generator_draws_the_same() -> None:
    asked = situation(walks_of([[0, 1, 2, 3, 4]] * 8, 50), model=MODEL)
    assert torch.equal(draw_unseen(asked, 5, rng(3)), draw_unseen(asked, 5, rng(3)))
    assert not torch.equal(draw_unseen(asked, 5, rng(3)), draw_unseen(asked, 5, rng(4)))


def test_the_first_ones_left_keep_their_order() -> None:
    asked = situation(walks_of([[0, 1, 2, 9, 9]], 10), model=MODEL)
    some = torch.tensor([[7, NOTHING, 2, 7, 3, 0, 9, NOTHING, 5]])
    assert first_left(asked, some, 3).tolist() == [[7, 3, 9]]
    assert first_left(asked, some, 6).tolist() == [[7, 3, 9, 5, NOTHING, NOTHING]]
    assert first_left(asked, some[:, :1], 3).tolist() == [[7, NOTHING, NOTHING]]
    assert np.shape(first_left(asked, some, 0)) == (1, 0)
