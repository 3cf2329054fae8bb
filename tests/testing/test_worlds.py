"""The worlds are what they say."""

import itertools

import numpy as np

from segue.testing import ring, two_tastes


def test_everybody_walks_the_ring_step_by_step() -> None:
    world = ring(users=50, items=7, longest=12)
    items, bounds = world.dataset.log.histories().packed()
    for first, stop in itertools.pairwise(bounds):
        walk = items[first:stop]
        assert 5 <= len(walk) <= 12
        assert np.array_equal(walk, (walk[0] + np.arange(len(walk))) % 7)


def test_the_last_step_is_the_test_and_the_one_before_the_validation() -> None:
    world = ring(users=50)
    whole = world.dataset.log.histories()
    assert np.array_equal(world.test.histories.ends, whole.ends - 1)
    assert np.array_equal(world.validation.histories.ends, whole.ends - 2)
    assert np.array_equal(world.train.ends, whole.ends - 2)
    assert np.array_equal(world.test.targets.packed()[0], whole.items[whole.ends - 1])


def test_a_taste_is_one_half_and_no_item_comes_twice() -> None:
    items, bounds = two_tastes(users=50, items=20).dataset.log.histories().packed()
    for first, stop in itertools.pairwise(bounds):
        walk = items[first:stop]
        assert len(set(walk)) == len(walk) == 7
        assert len(set(walk // 10)) == 1


def test_a_seed_is_a_world() -> None:
    one, same, other = (ring(seed=seed).dataset.log.items for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
