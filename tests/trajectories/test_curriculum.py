"""The curriculum goes from the easiest to the hardest items of its pool."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segue.core.errors import SettingsError
from segue.core.ranking import NOTHING
from segue.trajectories._unseen import draw_unseen
from segue.trajectories.curriculum import Curriculum, offset
from trajectories.situations import generator, rng, situation, walks_of

SPLIT = walks_of([[user, user + 1, user + 2, 0, 0] for user in range(20)], 100)
MODEL = generator(100)
UTILITY = torch.rand(100, generator=rng(7))


def chosen(progress: float, count: int = 2, utility: torch.Tensor = UTILITY, seed: int = 0) -> torch.Tensor:
    return Curriculum()(situation(SPLIT, model=MODEL, utility=utility, progress=progress), count, rng(seed))


def test_the_window_by_hand() -> None:
    # The score of an item is its number; N = 3, so five items in order, and the window starts at 0, 1, 2 and then 3.
    ascending = torch.linspace(0, 1, 100)
    pool = draw_unseen(situation(SPLIT, model=MODEL), 5, rng()).sort(1).values
    starts = {0.0: 0, 0.32: 0, 0.34: 1, 0.65: 1, 0.67: 2, 0.99: 2, 1.0: 3}
    for progress, start in starts.items():
        assert torch.equal(chosen(progress, 2, ascending), pool[:, start : start + 2])


@given(count=st.integers(1, 8), seed=st.integers(0, 20), steps=st.integers(2, 5))
def test_utility_never_falls_as_training_goes_on(count: int, seed: int, steps: int) -> None:
    means = torch.stack(
        [UTILITY[chosen(step / (steps - 1), count, seed=seed)].mean(1) for step in range(steps)]
    )  # steps users
    assert (means.diff(dim=0) >= -1e-7).all()
    assert (means[-1] > means[0]).all()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_neither_the_positive_nor_the_history_nor_an_item_twice(count: int) -> None:
    for progress in (0.0, 0.5, 1.0):
        for row, items in enumerate(chosen(progress, count).tolist()):
            assert not {row, row + 1, row + 2} & set(items)
            assert len(set(items)) == count


def test_every_epoch_begins_where_it_should() -> None:
    # A quotient of epochs that falls short of a whole number by rounding would leave out a step.
    for last in range(1, 60):
        assert [offset(epoch / last, last - 1) for epoch in range(last + 1)] == list(range(last + 1))


def test_its_notes_say_where_the_window_begins() -> None:
    assert [Curriculum().notes(progress, 2) for progress in (0.0, 0.5, 1.0)] == [
        {"window": 0.0}, {"window": 1.0}, {"window": 3.0}
    ]  # fmt: skip


def test_a_small_catalog_ends_the_window_early() -> None:
    # Unseen are 3, 4 and 5: of a pool of five there are three, so the hardest two are 4 and 5.
    split, utility = walks_of([[0, 1, 2, 0, 0]], 6), torch.linspace(0, 1, 6)
    for progress, expected in [(0.0, [3, 4]), (0.4, [4, 5]), (1.0, [4, 5])]:
        asked = situation(split, model=generator(6), utility=utility, progress=progress)
        assert Curriculum()(asked, 2, rng()).tolist() == [expected]
        assert Curriculum()(asked, 4, rng()).tolist() == [[3, 4, 5, NOTHING]]


def test_without_a_collaborative_model_it_says_so() -> None:
    assert Curriculum().needs_utility
    with pytest.raises(SettingsError, match="random_items"):
        Curriculum()(situation(SPLIT, model=MODEL), 2, rng())
