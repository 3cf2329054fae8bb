import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.logs import dataset_of
from segue.core.errors import DataError, SettingsError
from segue.core.tables import Cases, Dataset, Split
from segue.data.rolling_split import RollingTime
from segue.data.sequences import EveryPrefix

TIMES = st.lists(st.lists(st.integers(0, 30), max_size=8).map(sorted), min_size=1, max_size=8)
EVERY = RollingTime(ratio=0.6, validation_ratio=0.2, validation_cases=None, test_cases=None)


def asked(cases: Cases) -> list[tuple[list[int], list[int]]]:
    """History and target of each case."""
    items = cases.histories.items.tolist()
    return [
        (items[start:end], items[end:stop])
        for start, end, stop in zip(cases.histories.starts, cases.histories.ends, cases.stops, strict=True)
    ]


def trained(split: Split) -> list[list[int]]:
    items = split.train.items.tolist()
    return [items[start:end] for start, end in zip(split.train.starts, split.train.ends, strict=True)]


def timed(times: list[list[int]]) -> Dataset:
    """Every event has an item of its own."""
    events = iter(range(sum(map(len, times))))
    return dataset_of([[next(events) for _ in row] for row in times], times)


def test_events_are_asked_at_their_own_moment_by_hand():
    # Five cases, by time: 1 at 2, 4 at 3, 2 at 5, 5 at 7, 6 at 9. Three are learnt, one validates, one tests.
    dataset = timed([[1, 2, 5], [1, 3, 7, 9], [6]])
    split = EVERY.cut(dataset, 0)
    assert trained(split) == [[0, 1, 2], [3, 4], [7]]
    assert asked(split.validation) == [([3, 4], [5])]
    assert asked(split.test) == [([3, 4, 5], [6])]  # the past at that moment, not at the end of learning
    assert split.test.histories.users.tolist() == [1]


def test_a_user_is_asked_as_often_as_there_are_late_events_and_need_not_be_known():
    split = EVERY.cut(timed([[1, 2, 3, 4, 5, 6, 7], [20, 21, 22, 23]]), 0)
    assert trained(split) == [[0, 1, 2, 3, 4, 5]]
    assert asked(split.validation) == [([0, 1, 2, 3, 4, 5], [6]), ([7], [8])]
    assert asked(split.test) == [([7, 8], [9]), ([7, 8, 9], [10])]


@given(TIMES, st.sampled_from([0.3, 0.6, 0.8]), st.sampled_from([0.0, 0.1, 0.15]))
def test_nothing_learnt_is_later_than_what_is_asked_and_every_case_is_in_one_part(times, ratio, validation_ratio):
    dataset = timed(times)
    rule = RollingTime(ratio=ratio, validation_ratio=validation_ratio, validation_cases=None, test_cases=None)
    try:
        split = rule.cut(dataset, 0)
    except DataError:
        return
    clock = dataset.log.timestamps
    ends = [cases.histories.ends for cases in (split.validation, split.test)]
    learnt = split.train.positions()[0]
    assert clock[learnt].max() < clock[np.concatenate(ends)].min()
    assert len(ends[0]) == 0 or clock[ends[0]].max() < clock[ends[1]].min()
    # A model learns from the windows of `EveryPrefix`; these and what is asked are all cases there are, each once.
    windows, _ = EveryPrefix(history=10).epoch(split.train, np.random.default_rng(0))
    every = np.concatenate([windows.ends - 1, *ends])
    assert len(np.unique(every)) == len(every) == sum(max(len(row) - 1, 0) for row in times)
    assert windows.lengths.max(initial=0) <= 11
    offsets = dataset.log.offsets
    for cases in (split.validation, split.test):
        assert (cases.histories.starts == offsets[:-1][cases.histories.users]).all()
        assert (cases.stops == cases.histories.ends + 1).all()
        assert (cases.stops <= offsets[1:][cases.histories.users]).all()
        assert (cases.histories.lengths >= 1).all()
        # Nothing in a history is later than the event that is asked for.
        bounds = zip(cases.histories.starts, cases.histories.ends, strict=True)
        assert all(clock[start:end].max() <= clock[end] for start, end in bounds)


def test_events_of_one_time_are_not_cut_apart():
    # Ten cases of which the middle eight have one time: at 0.6 the cut falls before all of them, at 0.95 after.
    times = [[1, 2], *[[1, 5]] * 8, [1, 9]]
    assert len(EVERY.cut(timed(times), 0).test) == 9
    late = RollingTime(ratio=0.9, validation_ratio=0.05, validation_cases=None, test_cases=None).cut(timed(times), 0)
    assert (len(late.validation), len(late.test)) == (0, 1)


def test_where_the_order_goes_back_in_time_what_comes_after_is_late_too():
    # User 0 has an event of time 3 after one of time 8: to learn it would be to learn what lies before it.
    split = EVERY.cut(timed([[1, 2, 8, 3], [1, 2, 3, 4]]), 0)
    assert trained(split) == [[0, 1], [4, 5, 6]]
    assert asked(split.validation) == [([4, 5, 6], [7])]
    assert asked(split.test) == [([0, 1], [2]), ([0, 1, 2], [3])]


def test_of_many_cases_some_are_drawn_the_same_ones_for_every_seed():
    dataset = timed([list(range(start, start + 50)) for start in range(20)])
    rule = RollingTime(validation_cases=10, test_cases=20)
    one, other = rule.cut(dataset, 0), rule.cut(dataset, 1)
    assert (len(one.validation), len(one.test)) == (10, 20)
    assert asked(one.test) == asked(other.test)
    every = asked(RollingTime(validation_cases=None, test_cases=None).cut(dataset, 0).test)
    assert all(case in every for case in asked(one.test))
    assert asked(RollingTime(test_cases=20, sample_seed=43).cut(dataset, 0).test) != asked(one.test)
    assert asked(RollingTime(test_cases=10_000).cut(dataset, 0).test) == every


def test_the_rule_says_all_that_decides_what_is_asked():
    rule = "rolling time: each event after all before it; validation from {}, {}; test from {}, {}; draws 42"
    times = [[100, 200, 500], [100, 300, 700, 900]]
    moments = [f"1970-01-01T00:{minute}Z" for minute in ("11:40", "15:00")]
    assert EVERY.cut(timed(times), 0).rule == rule.format(moments[0], "all cases", moments[1], "all cases")
    drawn = RollingTime(ratio=0.6, validation_ratio=0.2)
    assert drawn.cut(timed(times), 0).rule == rule.format(moments[0], "512 cases", moments[1], "1000 cases")


def test_it_says_what_it_cannot_do():
    with pytest.raises(DataError, match="no clock times"):
        RollingTime().cut(dataset_of([[1, 2, 3]]), 0)
    with pytest.raises(DataError, match="no user has two events"):
        RollingTime().cut(timed([[1], [2]]), 0)
    with pytest.raises(DataError, match="no case is earlier"):
        RollingTime().cut(timed([[1, 2], [1, 2]]), 0)
    with pytest.raises(SettingsError, match="leave no case for the test"):
        RollingTime.parse({"ratio": 0.9, "validation_ratio": 0.1})


def test_movielens_by_time(shared, tmp_path):
    from segue.data.preparation import Preparation
    from segue.data.prepare import prepare

    dataset = prepare(Preparation(path=str(shared / "ml-100k")), tmp_path / "out")
    split = RollingTime().cut(dataset, 0)
    cases = len(dataset.log) - 943
    assert len(RollingTime(test_cases=None).cut(dataset, 0).test) == pytest.approx(0.1 * cases, rel=0.02)
    assert (len(split.validation), len(split.test)) == (512, 1000)
    learnt = int(np.maximum(split.train.lengths - 1, 0).sum())
    assert learnt == pytest.approx(0.8 * cases, rel=0.001)
