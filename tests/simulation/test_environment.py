"""The laws of the world: what `respond` draws is what `chances` says, and what moves them."""

import numpy as np
import pytest

from segue.simulation.users import DAY, State
from segue.simulation.world import TINY


@pytest.fixture(scope="module")
def world():
    return TINY.environment(seed=4)


def moments(world, previous=-1):
    users = np.arange(60)
    return State(users, world.users.start + 10 * DAY, np.full(60, previous))


def test_a_block_and_single_pairs_agree(world):
    state = moments(world, previous=2)
    rows, items = np.nonzero(np.ones((60, 40), dtype=bool))
    assert world.chances(state, rows, items).click == pytest.approx(world.preference(state).ravel())


def test_what_is_drawn_is_what_is_said(world):
    state = moments(world, previous=1)
    rows, items = np.tile(np.stack(np.nonzero(np.ones((60, 40), dtype=bool))), 60)
    said = world.chances(state, rows, items)
    done = world.respond(state, rows, items, np.random.default_rng(0))
    assert done.click.mean() == pytest.approx(said.click.mean(), rel=0.02)
    assert done.like.mean() == pytest.approx((said.click * said.like).mean(), rel=0.03)
    assert done.purchase.mean() == pytest.approx((said.click * said.purchase).mean(), rel=0.05)
    assert done.watch_time.mean() == pytest.approx((said.click * said.watch_time).mean(), rel=0.03)


def test_a_habit_raises_its_successors_and_leaves_the_rest(world):
    before, after = world.preference(moments(world)), world.preference(moments(world, previous=3))
    raised = world.habits[3][world.items.category] > 0
    assert (after[:, raised] > before[:, raised]).all()
    assert np.array_equal(after[:, ~raised], before[:, ~raised])
    assert sorted(world.habits[3].tolist()) == [0, 0, 0.4, 1, 1]
    assert world.habits[-1].tolist() == [0] * 5


def test_price_matters_to_those_who_save(world):
    state = moments(world)
    same = world.preference(state)
    thrift, dear = world.users.thrift, world.items.dearness
    logits = np.log(same / (1 - same))
    free = logits + thrift[:, None] * dear
    assert np.corrcoef(free.mean(axis=0), dear)[0, 1] > np.corrcoef(logits.mean(axis=0), dear)[0, 1] + 0.1


def test_what_was_clicked_is_never_shown_and_the_rest_adds_up(world):
    clicked = np.zeros((60, 40), dtype=bool)
    clicked[:, :5] = True
    exposure = world.exposure(moments(world), clicked)
    assert (exposure[:, :5] == 0).all()
    assert exposure[:, 5:].min() > 0.05 * 6 / 40  # the share that goes to all alike
    assert exposure.max() <= 0.9 + 1e-6
    assert exposure.sum(axis=1).max() < 6.01  # `shown`, less what the cap takes
    assert exposure.sum(axis=1).mean() > 5
