import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.core.errors import SettingsError
from segue.core.tables import Histories
from segue.data.sequences import EveryPrefix

LISTS = st.lists(st.lists(st.integers(0, 9), max_size=8), min_size=1, max_size=8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def windows_of(batches: EveryPrefix, lists: list[list[int]], seed: int = 0) -> list[list[int]]:
    windows, _ = batches.epoch(Histories.from_lists(lists), rng(seed))
    items = windows.items.tolist()
    return [items[start:end] for start, end in zip(windows.starts, windows.ends, strict=True)]


def test_each_event_but_the_first_is_a_case_with_what_came_before_it():
    cases = windows_of(EveryPrefix(history=2), [[1, 2, 3, 4], [5], [], [6, 7]])
    assert cases == [[1, 2], [1, 2, 3], [2, 3, 4], [6, 7]]


def test_a_case_has_at_least_the_shortest_history():
    assert windows_of(EveryPrefix(history=9, shortest=2), [[1, 2, 3, 4], [5, 6], [7]]) == [[1, 2, 3], [1, 2, 3, 4]]
    assert windows_of(EveryPrefix(history=2, shortest=3), [[1, 2, 3, 4]]) == [[2, 3, 4]]


@given(LISTS, st.integers(1, 30), st.integers(1, 3))
def test_samples_are_some_of_the_cases_and_the_same_in_every_epoch(lists, samples, shortest):
    every = windows_of(EveryPrefix(history=3, shortest=shortest), lists)
    some = EveryPrefix(history=3, shortest=shortest, samples=samples)
    first = windows_of(some, lists)
    assert first == windows_of(some, lists, seed=1)
    assert len(first) == min(samples, len(every))
    rest = iter(every)
    assert all(window in rest for window in first)  # in the same order, none twice
    if samples >= len(every):
        assert first == every


def test_another_sample_seed_draws_other_samples():
    lists = [list(range(50)), list(range(50, 100))]
    drawn = [windows_of(EveryPrefix(samples=10, sample_seed=seed), lists) for seed in (42, 43)]
    assert drawn[0] != drawn[1]
    assert windows_of(EveryPrefix(samples=10), lists) == drawn[0]


def test_the_order_of_the_samples_changes_from_epoch_to_epoch_and_each_comes_once():
    batches = EveryPrefix(samples=20, users=8)
    histories, generator = Histories.from_lists([list(range(100))]), rng()
    orders = [np.concatenate(batches.epoch(histories, generator)[1]) for _ in range(2)]
    assert not np.array_equal(*orders)
    assert [sorted(order) for order in orders] == [list(range(20))] * 2


def test_settings_of_before_mean_what_they_meant():
    old = EveryPrefix.parse({"kind": "every_prefix", "history": 20, "users": 256})
    assert (old.samples, old.shortest) == (None, 1)
    with pytest.raises(SettingsError, match="samples"):
        EveryPrefix.parse({"samples": 0})
