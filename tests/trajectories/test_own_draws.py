"""Draws of the generator: different unseen items, or as they come."""

import torch

from segue.core.ranking import NOTHING
from segue.decoding.sampling import Sampling
from segue.layers.trajectory_chances import log_chances
from segue.trajectories.own_draws import OwnDraws
from trajectories.situations import ITEMS, MODEL, asked, had, rng


def test_draws_are_different_unseen_items() -> None:
    found = OwnDraws(sampler=Sampling())(asked(), 4, rng())
    for row, items in enumerate(found.tolist()):
        named = [item for item in items if item != NOTHING]
        assert len(named) == len(set(named))
        assert not set(named) & had(row)
    assert (found != NOTHING).float().mean() > 0.9


def test_independent_draws_follow_the_policy_with_all_it_says() -> None:
    some = asked()
    found = OwnDraws(sampler=Sampling(), independent=True)(some, 2000, rng())
    everything = torch.arange(ITEMS).expand(15, -1)
    with torch.no_grad():
        exact = log_chances(MODEL, MODEL.states_of(some.batch, everything), everything, renormalized=True).sum(-1)
        exact = (exact + MODEL.tree.log_shares[MODEL.tree.places]).exp()
    seen = torch.zeros(15, ITEMS).scatter_add(1, found, torch.ones(found.shape)) / 2000
    deviation = (exact * (1 - exact) / 2000).sqrt()
    assert ((seen - exact).abs() < 5 * deviation + 1e-3).all()
    assert exact.gather(1, some.positives[:, None]).max() > 0.1  # somebody's positive is probable, and it came
