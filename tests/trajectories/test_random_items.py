"""Random items are any that the user has never had, and nothing where there are none."""

from segue.core.ranking import NOTHING
from segue.trajectories.random_items import RandomItems
from trajectories.situations import generator, rng, situation, walks_of


def test_an_exhausted_catalog_offers_nothing() -> None:
    split = walks_of([[0, 1, 2, 0, 0], [1, 2, 0, 1, 3, 3]], 4)
    drawn = RandomItems()(situation(split, model=generator(4)), 3, rng())
    assert drawn.tolist() == [[3, NOTHING, NOTHING]] * 2


def test_held_out_items_may_come() -> None:
    # Nobody may know by what is never drawn which items were held out.
    split = walks_of([[0, 1, 2, 3]], 4)
    assert set(RandomItems()(situation(split, model=generator(4)), 2, rng())[0].tolist()) == {2, 3}
