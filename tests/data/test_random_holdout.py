"""Where nobody knows the order of events, what is held out is drawn."""

import numpy as np
import pytest

from data.logs import dataset_of, prepared
from segue.core.errors import DataError
from segue.core.tables import Dataset
from segue.data.order import ordered_by
from segue.data.random_holdout import HoldOut, RandomHoldout
from segue.data.split import GlobalTime, LeaveOneOut

SORTED = [list(range(user, user + 10)) for user in range(400)]


def untimed(histories: list[list[int]] = SORTED) -> Dataset:
    """As the reader makes it of a file without times."""
    dataset = dataset_of(histories)
    return Dataset(dataset.name, dataset.log, dataset.catalog, dataset.digest, {"ordered": "rows"})


def test_the_order_is_known_by_a_time_a_column_or_a_program(tmp_path):
    events = [("1", "a", 5), ("1", "b", 6), ("2", "a", 7)]
    assert ordered_by(prepared(tmp_path, events)) == "time"
    (tmp_path / "other").mkdir()
    rows = prepared(tmp_path / "other", events, time="none")
    assert ordered_by(rows) == "rows"
    older = {name: value for name, value in rows.origin.items() if name != "ordered"}
    assert ordered_by(Dataset(rows.name, rows.log, rows.catalog, rows.digest, older)) == "rows"
    assert ordered_by(dataset_of([[0, 1]])) == "known"


def test_every_place_of_a_history_is_drawn_equally_often():
    split = RandomHoldout(validation_users=0).cut(untimed(), 0)
    places = split.test.targets.packed()[0] - split.test.histories.users  # 0 to 9 of each user's ten rows
    counts = np.bincount(places, minlength=10)
    assert len(split.test) == 400
    assert (abs(counts - 40) < 24).all(), counts  # four standard deviations of a count


def test_what_is_drawn_is_not_in_the_history_and_nothing_is_lost():
    split = RandomHoldout(validation_users=100).cut(untimed(), 0)
    validated = dict(zip(split.validation.histories.users, split.validation.targets.packed()[0], strict=True))
    trained, bounds = split.train.packed()
    for row, user in enumerate(split.train.users):
        held = {int(split.test.targets.packed()[0][user])} | ({int(validated[user])} if user in validated else set())
        learnt = trained[bounds[row] : bounds[row + 1]].tolist()
        assert sorted([*learnt, *held]) == SORTED[user]
        assert not held & set(learnt)
    assert len(validated) == 100


def test_a_seed_draws_the_same_and_another_seed_another():
    one, again, other = (RandomHoldout().cut(untimed(), seed) for seed in (0, 0, 1))
    assert np.array_equal(one.test.targets.packed()[0], again.test.targets.packed()[0])
    assert not np.array_equal(one.test.targets.packed()[0], other.test.targets.packed()[0])
    assert "order drawn at random (seed 0)" in one.rule
    assert one.rule != other.rule


def test_columns_go_with_their_events_and_times_are_left_out():
    dataset = dataset_of(SORTED, [[user + place for place in range(10)] for user in range(400)])
    twins = {"twin": np.asarray(dataset.log.items)}
    log = type(dataset.log)(dataset.log.items, dataset.log.offsets, dataset.log.users, dataset.log.timestamps, twins)
    split = RandomHoldout().cut(Dataset(dataset.name, log, dataset.catalog, dataset.digest), 0)
    assert np.array_equal(split.dataset.log.columns["twin"], split.dataset.log.items)
    assert split.dataset.log.timestamps is None
    assert split.test.histories.timestamps is None
    assert ordered_by(split.dataset) == "drawn"


def test_the_default_goes_by_what_is_known():
    assert HoldOut(validation_users=3).settled(untimed()) == RandomHoldout(validation_users=3)
    assert HoldOut(validation_users=3).settled(dataset_of([[0, 1]])) == LeaveOneOut(validation_users=3)
    assert HoldOut().cut(dataset_of([[0, 1], [1, 0]]), 0).rule.startswith("leave-one-out")


def test_a_split_by_time_names_the_random_one_where_not_even_the_order_is_known():
    with pytest.raises(DataError, match=r"not even the order of events is known.*Use random_holdout\."):
        GlobalTime().cut(untimed(), 0)
