"""Of a pool the half stays that the generator is least sure of."""

import torch
from torch import Tensor

from segue.core.ranking import NOTHING
from segue.core.trajectories import Situation, TrajectorySampler
from segue.trajectories.confident import Confident
from segue.trajectories.curriculum import Curriculum
from segue.trajectories.random_items import RandomItems
from trajectories.situations import ITEMS, MODEL, asked, chances, rng


class Offered(TrajectorySampler):
    """Always the same items."""

    items: tuple[int, ...]

    def __call__(self, situation: Situation, count: int, rng: torch.Generator) -> Tensor:
        assert count == len(self.items)
        return torch.tensor(self.items).expand(len(situation.positives), -1)


def test_the_least_confident_half_stays() -> None:
    some = asked()
    offered = (21, 23, 25, NOTHING, 27, 29)
    exact = chances(some)[:, [21, 23, 25, 27, 29]]
    exact = exact - MODEL.tree.log_shares[MODEL.tree.places[torch.tensor([21, 23, 25, 27, 29])]]
    order = exact.argsort(1)
    named = torch.tensor([21, 23, 25, 27, 29])[order]
    assert torch.equal(Confident(pool=Offered(items=offered))(some, 3, rng()), named[:, :3])
    assert torch.equal(Confident(pool=Offered(items=offered), keep="high")(some, 3, rng()), named.flip(1)[:, :3])


def test_where_the_pool_has_too_few_there_are_fewer() -> None:
    found = Confident(pool=Offered(items=(NOTHING, 21, NOTHING, NOTHING)))(asked(), 2, rng())
    assert found.tolist() == [[21, NOTHING]] * 15


def test_confidence_leaves_no_gradient_and_passes_on_what_the_pool_needs_and_says() -> None:
    mixed = Confident(pool=Curriculum())
    assert mixed.needs_utility
    assert not Confident(pool=RandomItems()).needs_utility
    assert mixed.notes(1.0, 3) == Curriculum().notes(1.0, 6)
    mixed(asked(utility=torch.rand(ITEMS)), 3, rng())
    assert all(weight.grad is None for weight in MODEL.parameters())
