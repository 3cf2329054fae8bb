import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.logs import dataset_of
from segue.core.errors import DataError, SettingsError
from segue.core.tables import Histories, Split
from segue.data.split import ByRatio, ByUser, GlobalTime, LeaveOneOut, LeaveTwoOut, SplitRule

HISTORIES = st.lists(st.lists(st.integers(0, 8), max_size=12), min_size=1, max_size=12)
RULES = st.sampled_from(
    [
        LeaveOneOut(validation_users=2),
        LeaveOneOut(validation_users=0),
        LeaveTwoOut(),
        ByUser(test=0.3, validation=0.2, held_out=2),
        ByRatio(test=0.2, validation=0.3),
        ByRatio(test=0.5, validation=0.0),
    ]
)


def cells(histories: Histories) -> list[set[int]]:
    """Positions in the log, row by row, by a plain loop."""
    return [set(range(start, end)) for start, end in zip(histories.starts, histories.ends, strict=True)]


def lists(split: Split) -> tuple[list[list[int]], list[tuple[list[int], list[int]]], list[tuple[list[int], list[int]]]]:
    items = split.dataset.log.items.tolist()

    def rows(histories: Histories) -> list[list[int]]:
        return [items[start:end] for start, end in zip(histories.starts, histories.ends, strict=True)]

    def cases(chosen):
        return list(zip(rows(chosen.histories), rows(chosen.targets), strict=True))

    return rows(split.train), cases(split.validation), cases(split.test)


@given(HISTORIES, RULES, st.integers(0, 3))
def test_no_event_is_both_learnt_and_asked_and_none_is_lost(histories, rule, seed):
    dataset = dataset_of(histories)
    try:
        split = rule.cut(dataset, seed)
    except DataError:
        with pytest.raises(DataError, match="nobody can be tested"):
            rule.cut(dataset, seed)
        return
    train = set().union(*cells(split.train)) if len(split.train) else set()
    validation = list(cells(split.validation.targets))
    test = list(cells(split.test.targets))
    held = set().union(*validation, *test)
    assert sum(map(len, [*validation, *test])) == len(held)
    assert not train & held
    assert all(validation)
    assert all(test)
    offsets = dataset.log.offsets
    for cases in (split.validation, split.test):
        for user, start, end, stop in zip(
            cases.histories.users, cases.histories.starts, cases.histories.ends, cases.stops, strict=True
        ):
            assert offsets[user] == start <= end < stop <= offsets[user + 1]
    for user in range(len(histories)):
        mine = set(range(offsets[user], offsets[user + 1]))
        whole = mine <= train | held
        assert whole or isinstance(rule, ByUser)
        # No future leak: whatever is trained on lies before whatever is asked.
        if mine & train and mine & held:
            assert max(mine & train) < min(mine & held)


@given(st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=8).map(sorted), min_size=2, max_size=8))
def test_global_time_trains_only_on_the_past(times):
    dataset = dataset_of([[0] * len(row) for row in times], times)
    try:
        split = GlobalTime(ratio=0.6, validation_ratio=0.3).cut(dataset, 0)
    except DataError:
        return
    log = dataset.log.timestamps
    begin = min(log[split.test.targets.starts])
    assert all(log[position] < begin for row in cells(split.train) for position in row)
    for history, target in zip(cells(split.test.histories), cells(split.test.targets), strict=True):
        assert max(log[list(history)]) < begin <= min(log[list(target)])
    for history, target in zip(cells(split.validation.histories), cells(split.validation.targets), strict=True):
        assert max(log[list(history)]) < min(log[list(target)])
        assert max(log[list(target)]) < begin


def test_leave_one_out_by_hand():
    split = LeaveOneOut(validation_users=1).cut(dataset_of([[0], [1, 2], [3, 4, 5]]), seed=0)
    train, validation, test = lists(split)
    assert train == [[0], [1], [3]]
    assert validation == [([3], [4])]
    assert test == [([1], [2]), ([3, 4], [5])]
    assert split.rule == "leave-one-out: last event; validation: second-last event of 1 users"


def test_leave_two_out_by_hand():
    train, validation, test = lists(LeaveTwoOut().cut(dataset_of([[0, 1], [3, 4, 5, 6]]), seed=0))
    assert train == [[0, 1], [3, 4]]
    assert validation == [([3, 4], [5])]
    assert test == [([3, 4, 5], [6])]


def test_by_ratio_by_hand():
    train, validation, test = lists(
        ByRatio(test=0.2, validation=0.1).cut(dataset_of([list(range(10)), [1, 2]]), seed=0)
    )
    assert train == [list(range(7)), [1, 2]]
    assert validation == [(list(range(7)), [7])]
    assert test == [(list(range(8)), [8, 9])]


def test_by_user_keeps_asked_users_out_of_training():
    split = ByUser(test=0.25, validation=0.25).cut(dataset_of([[u, u + 1, u + 2] for u in range(8)]), seed=3)
    users = [set(part.users.tolist()) for part in (split.train, split.validation.histories, split.test.histories)]
    assert [len(part) for part in users] == [4, 2, 2]
    assert set.union(*users) == set(range(8))
    other = ByUser(test=0.25, validation=0.25).cut(dataset_of([[u, u + 1, u + 2] for u in range(8)]), seed=4)
    assert other.test.histories.users.tolist() != split.test.histories.users.tolist()
    assert other.rule != split.rule


def test_global_time_at_a_date_by_hand():
    day = 86_400
    dataset = dataset_of([[0, 1, 2], [3, 4], [5]], [[0, day, 2 * day], [day, 2 * day + 5], [3 * day]])
    train, validation, test = lists(GlobalTime(at="1970-01-03", validation_ratio=0.4).cut(dataset, seed=0))
    assert train == [[0]]
    assert validation == [([0], [1])]
    assert test == [([0, 1], [2]), ([3], [4])]  # the user of item 5 has no past


def test_the_test_of_leave_one_out_does_not_depend_on_the_seed():
    dataset = dataset_of([[i, i + 1, i + 2] for i in range(20)])
    one, two = (LeaveOneOut(validation_users=5).cut(dataset, seed) for seed in (1, 2))
    assert one.test.stops.tolist() == two.test.stops.tolist()
    assert one.validation.histories.users.tolist() != two.validation.histories.users.tolist()
    assert one.rule == two.rule


def test_what_a_rule_cannot_do_is_said(caplog):
    with pytest.raises(DataError, match=r"no clock times.*leave_one_out"):
        GlobalTime().cut(dataset_of([[0, 1]]), 0)
    with pytest.raises(DataError, match="nobody can be tested"):
        LeaveTwoOut().cut(dataset_of([[0, 1], [1]]), 0)
    with pytest.raises(DataError, match="none of the events; they lie between 1970"):
        GlobalTime(at=99).cut(dataset_of([[0, 1]], [[1, 2]]), 0)
    with caplog.at_level("INFO"):
        LeaveTwoOut().cut(dataset_of([[0, 1, 2], [1]]), 0)
    assert "1 of 2 users have too few events" in caplog.text


def test_settings_are_checked():
    with pytest.raises(SettingsError, match="2024-05-31"):
        SplitRule.parse({"kind": "global_time", "at": "yesterday"})
    with pytest.raises(SettingsError, match="leave no user"):
        SplitRule.parse({"kind": "by_user", "test": 0.6, "validation": 0.5})
    with pytest.raises(SettingsError, match="did you mean 'leave_one_out'"):
        SplitRule.parse("leave_on_out")
    assert SplitRule.parse({"kind": "by_ratio", "test": 0.2}) == ByRatio(test=0.2)


@given(HISTORIES, st.integers(1, 5))
def test_packed_histories_equal_a_loop(histories, length):
    windows = dataset_of(histories).log.histories().latest(length)
    items, bounds = windows.packed()
    expected = [history[-length:] for history in histories]
    assert [items[a:b].tolist() for a, b in itertools.pairwise(bounds)] == expected
