import numpy as np
import polars as pl
import pytest

from segue.core.errors import DataError
from segue.data.events import in_order
from segue.data.sources.times import clock_of, epoch, settled

DAY = 1_702_857_600  # 2023-12-18T00:00Z


def seconds(values: pl.Series) -> list[float | None]:
    clock = clock_of(values, where="log")
    assert clock is not None
    ticks, wrong = clock.read(values)
    assert not wrong.any()
    return [None if tick is None else tick / clock.ticks for tick in ticks]


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("2023-12-18", 0),
        ("2023-12-18 02:35", 9300),
        ("2023-12-18T02:35:22Z", 9322),
        ("2023-12-18 02:35:22 UTC", 9322),
        ("2023-12-18T02:35:22.500+02:00", 2122.5),
        ("2023/12/18 02:35", 9300),
        ("20231218", 0),
        ("20231218023522", 9322),
        ("18.12.2023 02:35", 9300),
        ("18/12/2023", 0),
        ("18-12-23", 0),
        ("12/18/2023 02:35 AM", 9300),
        ("12/18/2023 02:35:22 p.m.", 52522),
        ("Dec 18, 2023 2:35 PM", 52500),
        ("18 Dec 2023", 0),
        ("18-Dec-2023 02:35:22", 9322),
        ("Mon Dec 18 02:35:22 +0000 2023", 9322),
        ("Mon, 18 Dec 2023 02:35:22 +0100", 5722),
        ("12 18, 2023", 0),
    ],
)
def test_a_date_is_read_in_every_common_form(text, after):
    assert seconds(pl.Series([text, None, " " + text])) == [DAY + after, None, DAY + after]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_a_typed_time_is_read_in_its_own_unit(unit, zone):
    values = pl.Series([DAY * 1000, DAY * 1000 + 1]).cast(pl.Datetime("ms")).cast(pl.Datetime(unit))
    values = values if zone is None else values.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    assert seconds(values) == [DAY, DAY + 0.001]


def test_a_typed_date_is_midnight():
    assert seconds(pl.Series([DAY * 1000]).cast(pl.Datetime("ms")).cast(pl.Date)) == [DAY]


@pytest.mark.parametrize("ticks", [1, 1_000, 1_000_000, 1_000_000_000])
@pytest.mark.parametrize("kind", [pl.Int64, pl.String])
def test_the_unit_of_an_epoch_is_told_by_its_size(ticks, kind):
    assert seconds(pl.Series([DAY * ticks, (DAY + 1) * ticks]).cast(kind)) == [DAY, DAY + 1]


def test_no_fraction_of_a_second_is_lost():
    clock = clock_of(pl.Series(["1709294400.000123", "1709294400"]), where="log")
    assert clock is not None
    assert clock.read(pl.Series(["1709294400.000123", "1709294400.000124"]))[0].diff()[1] == 1
    nanos = pl.Series(["1709294400000000001", "1709294400000000002", "nan"])
    clock = clock_of(nanos, where="log")
    assert clock is not None
    assert clock.read(nanos)[0].to_list() == [1709294400000000001, 1709294400000000002, None]


def test_the_whole_column_decides_whether_the_day_comes_first():
    sample, later = pl.Series(["01/02/2024", "03/04/2024"]), pl.Series(["04/13/2024"])
    clock = clock_of(sample, where="log")
    assert clock is not None
    decided = settled(clock, lambda: iter([sample, later]), "log")
    assert decided.read(sample)[0][0] == 1_704_153_600_000_000  # the second of January
    with pytest.raises(DataError, match=r"day or the month comes first in dates such as '01/02/2024'.*time_format"):
        settled(clock, lambda: iter([sample]), "log")
    asked = clock_of(sample, where="log", form="dmy")
    assert asked is not None
    assert asked.read(sample)[0][0] == 1_706_745_600_000_000  # the first of February


@pytest.mark.parametrize("form", ["years", "d.m.y"])
def test_an_unknown_form_is_refused(form):
    with pytest.raises(DataError, match=r"is not known.*iso, dmy, mdy"):
        clock_of(pl.Series(["1"]), where="log", form=form)


@pytest.mark.parametrize(
    ("unit", "good", "bad"),
    [(1_000, 1_700_000_000_000, 1_700_000_000), (1, 1_700_000_000, 1_700_000_000_000), (1, 1_700_000_000, 10**18)],
)
def test_another_unit_among_the_times_is_found(unit, good, bad):
    clock = epoch(unit)
    assert clock.fault(clock.read(pl.Series([good, good]))[0]) is None
    assert clock.fault(clock.read(pl.Series([good, bad, good]))[0]) == 1


@pytest.mark.parametrize("digits", [2, 9, 12, 15, 18])
def test_events_come_in_the_order_of_user_time_and_row_whatever_the_unit(digits):
    rng = np.random.default_rng(digits)
    user = rng.integers(0, 300, 20_000).astype(np.int32)
    time = rng.integers(-(10**digits), 10**digits, 20_000)
    time[::3] = rng.choice(time, len(time[::3]))
    assert np.array_equal(in_order({"user": user, "time": time}, "time"), np.lexsort((time, user)))
