"""The beam gives what the generator ranks first, and none of it is known already."""

import torch

from segue.core.ranking import NOTHING
from segue.decoding.beam_search import BeamSearch
from segue.trajectories.own_beam import OwnBeam
from trajectories.situations import ITEMS, asked, chances, rng


def test_the_beam_gives_the_best_unseen_items_best_first() -> None:
    some = asked()
    best = chances(some).masked_fill(some.taken(torch.arange(ITEMS).expand(15, -1)), -torch.inf)
    found = OwnBeam(decoder=BeamSearch(beams=ITEMS))(some, 3, rng())
    torch.testing.assert_close(best.gather(1, found), best.topk(3).values)


def test_a_beam_has_no_more_than_the_catalog() -> None:
    found = OwnBeam(decoder=BeamSearch(beams=ITEMS))(asked(), ITEMS, rng())
    assert ((found != NOTHING).sum(1) == ITEMS - 4).all()
    assert (found[:, ITEMS - 4 :] == NOTHING).all()
