"""Each system gets its share, and each user always the same system."""

from __future__ import annotations

import math

import pytest

from segue.core.errors import SettingsError
from segue.service.traffic_split import TrafficSplit


def test_shares_are_kept_over_many_users() -> None:
    split = TrafficSplit({"a": 3, "b": 1}, ["a", "b", "c"])
    chosen = [split.choose(f"user {number}") for number in range(4000)]
    assert split.shares == {"a": 0.75, "b": 0.25, "c": 0.0}
    error = math.sqrt(0.75 * 0.25 / 4000)
    assert abs(chosen.count("a") / 4000 - 0.75) < 4 * error
    assert "c" not in chosen


def test_a_user_stays_with_one_system() -> None:
    one, other = (TrafficSplit({"a": 1, "b": 1}, ["a", "b"]) for _ in range(2))
    assert [one.choose(str(user)) for user in range(50)] == [other.choose(str(user)) for user in range(50)]


def test_without_shares_the_first_has_all() -> None:
    assert TrafficSplit({}, ["a", "b"]).shares == {"a": 1.0, "b": 0.0}


def test_a_share_for_nobody_is_refused() -> None:
    with pytest.raises(SettingsError, match="names 'd', which is not served; there is: a, b"):
        TrafficSplit({"d": 1}, ["a", "b"])
