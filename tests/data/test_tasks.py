"""Actions are columns of zeros and ones, or conditions on others; what nobody knows stays unknown."""

import numpy as np
import polars as pl
import pytest

from segue.core.errors import DataError, SettingsError
from segue.core.impressions import UNKNOWN
from segue.core.tables import InteractionLog
from segue.data.request_split import RequestsByTime
from segue.data.tasks import answers, columns_of, well_known, words_as_actions

WORDS = {"behavior": ["pv", "fav", "buy"]}


def log_of(**columns: list[float]) -> InteractionLog:
    arrays = {name: np.array(values) for name, values in columns.items()}
    events = len(next(iter(arrays.values())))
    return InteractionLog(
        items=np.zeros(events, dtype=np.int32),
        offsets=np.array([0, events]),
        users=pl.DataFrame({"user_id": ["u"]}),
        columns=arrays,
    )


LOG = log_of(
    click=[1, 0, 1, 0],
    like=[1.0, 0.0, np.nan, 0.0],
    watch_time=[3.5, np.nan, 10.0, 11.0],
    rating=[5, 4, 3, 4],
    behavior=[0, 2, -1, 1],
)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("click", [1, 0, 1, 0]),
        ("like", [1, 0, UNKNOWN, 0]),
        ("watch_time >= 10", [0, UNKNOWN, 1, 1]),
        ("watch_time < 10", [1, UNKNOWN, 0, 0]),
        ("rating >= 4", [1, 1, 0, 1]),
        ("behavior == 'buy'", [0, 1, UNKNOWN, 0]),
        ("behavior != buy", [1, 0, UNKNOWN, 1]),
        ("rating >= 4 and behavior == pv", [1, 0, UNKNOWN, 0]),
    ],
)
def test_answers_by_hand(action, expected):
    found = answers(LOG, [action], WORDS, "small")
    assert found.dtype == np.int8
    assert found[:, 0].tolist() == expected


def test_several_actions_are_columns_in_the_order_asked_for():
    assert answers(LOG, ["rating == 3", "click"], {}, "small").tolist() == [[0, 1], [0, 0], [1, 1], [0, 0]]


def test_actions_are_found_by_name_and_by_word():
    log = log_of(is_like=[0], purchase=[0], is_click=[0], like_count=[0], behavior=[0])
    assert well_known(log) == ("is_click", "is_like", "purchase")
    assert words_as_actions(log, WORDS) == ("behavior == 'pv'", "behavior == 'fav'", "behavior == 'buy'")
    assert words_as_actions(log, {}) == ()
    assert columns_of(["click", "rating >= 4 and behavior == pv"]) == {"click", "rating", "behavior"}


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("clik", "no column 'clik' .*did you mean 'click'"),
        ("rating", r"zeros and ones, and 'rating' has 5 \(in 4 of 4 events\).*'rating >= 4'"),
        ("behavior", "holds words .*behavior == 'pv'"),
        ("behavior == bye", "never 'bye'; did you mean 'buy'"),
        ("rating >= good", "has numbers, and 'good' is none"),
    ],
)
def test_what_is_no_action_says_what_to_do(action, said):
    with pytest.raises(DataError, match=said):
        answers(LOG, [action], WORDS, "small")


def test_unreadable_actions_are_refused_when_they_are_set():
    with pytest.raises(SettingsError, match="cannot read '>= 4'"):
        RequestsByTime.parse({"tasks": ["rating >= 4", ">= 4"]})
    with pytest.raises(SettingsError, match="named twice"):
        RequestsByTime.parse({"actions": ["click", "click"]})
    assert RequestsByTime.parse({"tasks": "click, rating >= 4"}).tasks == ("click", "rating >= 4")
