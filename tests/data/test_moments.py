"""Moments are dates or seconds, and shares of a log."""

from datetime import UTC, date, datetime

import numpy as np
import pytest

from segue.core.errors import SettingsError
from segue.data.moments import moment_of, moment_text, quantile
from segue.data.request_split import RequestsByTime


@pytest.mark.parametrize(
    "written", [1_717_113_600, "1717113600", "2024-05-31", "2024-05-31T00:00:00Z", "2024-05-31T02:00:00+02:00"]
)
def test_a_moment_may_be_written_in_many_ways(written):
    assert moment_of(written) == 1_717_113_600
    assert moment_text(1_717_113_600) == "2024-05-31T00:00:00Z"


def test_a_moment_beyond_the_calendar_is_still_told():
    assert moment_text(10**18) == "1000000000000000000 s"


def test_a_share_of_the_events_lies_before_the_quantile():
    times = np.array([5, 1, 2, 3, 4, 6, 7, 8, 9, 10])
    assert quantile(times, 0.7) == 8
    assert (times < quantile(times, 0.7)).mean() == 0.7
    assert quantile(np.array([4, 4, 4, 9]), 0.5) == 4
    assert quantile(np.array([3]), 1.0) == 3


def test_what_is_no_moment_is_refused_when_it_is_set():
    with pytest.raises(SettingsError, match=r"at: expected a date such as 2024-05-31"):
        RequestsByTime.parse({"at": "yesterday"})


@pytest.mark.parametrize(
    "written", [date(2024, 5, 1), datetime(2024, 5, 1), datetime(2024, 5, 1, tzinfo=UTC), "2024-05-01", 1_714_521_600]
)
def test_a_date_as_yaml_reads_it_is_a_moment(written):
    at = RequestsByTime.parse({"at": written}).at
    assert at is not None
    assert moment_of(at) == 1_714_521_600
