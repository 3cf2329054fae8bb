"""What every sampler promises."""

import pytest
import torch

from segue.core.ranking import NOTHING
from segue.core.trajectories import TrajectorySampler
from segue.decoding.beam_search import BeamSearch
from segue.decoding.sampling import Sampling
from segue.trajectories.confident import Confident
from segue.trajectories.curriculum import Curriculum
from segue.trajectories.own_beam import OwnBeam
from segue.trajectories.own_draws import OwnDraws
from segue.trajectories.random_items import RandomItems
from trajectories.situations import ITEMS, asked, had, rng


@pytest.mark.parametrize(
    "sampler",
    [
        RandomItems(),
        Curriculum(),
        OwnBeam(decoder=BeamSearch()),
        OwnDraws(sampler=Sampling()),
        Confident(pool=RandomItems()),
        Confident(pool=Curriculum()),
    ],
    ids=repr,
)
@pytest.mark.parametrize("count", [1, 5])
def test_never_the_positive_nor_the_history_and_the_same_by_the_same_generator(
    sampler: TrajectorySampler, count: int
) -> None:
    some = asked(utility=torch.linspace(0, 1, ITEMS), progress=0.5)
    found = sampler(some, count, rng(2))
    assert found.shape == (15, count)
    assert torch.equal(found, sampler(some, count, rng(2)))
    for row, items in enumerate(found.tolist()):
        named = [item for item in items if item != NOTHING]
        assert len(named) == len(set(named))
        assert not set(named) & had(row)


def test_a_sampler_survives_its_own_yaml() -> None:
    part = Confident(pool=OwnBeam(decoder=BeamSearch(beams=7)), keep="high")
    assert TrajectorySampler.parse(part.dump()) == part
