"""Times in every form, what orders events, and days and months that can be mixed up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from data.door.case import TWO, Case, T, lines, one, parquet


def _at(form: str, second: str, further: str = "") -> str:
    return f"user_id,item_id,timestamp\nu1,b,{second}\nu1,a,{form}\n{further}"


def _text_times() -> list[Case]:
    """The same two moments, later first, in every form."""
    same = {
        "epoch seconds": ("1700000000", "1700000060"),
        "epoch milliseconds": ("1700000000000", "1700000060000"),
        "epoch microseconds": ("1700000000000000", "1700000060000000"),
        "epoch nanoseconds": ("1700000000000000000", "1700000060000000000"),
        "epoch seconds with fractions": ("1700000000.25", "1700000060.5"),
        "epoch seconds of pandas": ("1700000000.0", "1700000060.0"),
        "epoch in scientific writing": ("1.7e9", "1.70000006e9"),
        "epoch milliseconds with fractions": ("1700000000000.5", "1700000060000.0"),
        "ISO with a T": ("2023-11-14T22:13:20", "2023-11-14T22:14:20"),
        "ISO with a blank": ("2023-11-14 22:13:20", "2023-11-14 22:14:20"),
        "ISO with Z": ("2023-11-14T22:13:20Z", "2023-11-14T22:14:20Z"),
        "ISO with fractions and Z": ("2023-11-14T22:13:20.123Z", "2023-11-14T22:14:20.999Z"),
        "ISO with nanoseconds": ("2023-11-14T22:13:20.123456789", "2023-11-14T22:14:20.999999999"),
        "ISO with an offset": ("2023-11-15T00:13:20+02:00", "2023-11-14T22:14:20+00:00"),
        "ISO with an offset without colon": ("2023-11-15T00:13:20+0200", "2023-11-14T22:14:20+0000"),
        "ISO with mixed offsets": ("2023-11-15 00:13:20+02:00", "2023-11-14 15:14:20-07:00"),
        "BigQuery": ("2023-11-14 22:13:20 UTC", "2023-11-14 22:14:20 UTC"),
        "BigQuery with fractions": ("2023-11-14 22:13:20.5 UTC", "2023-11-14 22:14:20.5 UTC"),
        "Excel, German": ("14.11.2023 22:13:20", "14.11.2023 22:14:20"),
        "Excel, British": ("14/11/2023 22:13:20", "14/11/2023 22:14:20"),
        "Excel, American": ("11/14/2023 10:13:20 PM", "11/14/2023 10:14:20 PM"),
        "slashes, year first": ("2023/11/14 22:13:20", "2023/11/14 22:14:20"),
        "Twitter": ("Tue Nov 14 22:13:20 +0000 2023", "Tue Nov 14 22:14:20 +0000 2023"),
    }
    return [
        Case(f"time: {name}", "times", f"{name}, such as `{pair[0]}`", {"log.csv": _at(*pair)}, TWO)
        for name, pair in same.items()
    ]


def _zoned(unit: str, zone: str | None) -> bytes:
    scale = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}[unit]
    times = pa.array([(T + 60) * scale, T * scale], pa.int64()).cast(pa.timestamp(unit, zone))
    return parquet(user_id=["u1", "u1"], item_id=["b", "a"], timestamp=times)


def _typed_times() -> list[Case]:
    day = 1_700_006_400  # 2023-11-15
    return [
        *(
            Case(
                f"Parquet time in {unit}, {zone or 'no zone'}",
                "times",
                f"Parquet timestamps in {unit}" if zone is None else "",
                {"log.parquet": _zoned(unit, zone)},
                TWO,
            )
            for unit in ("s", "ms", "us", "ns")
            for zone in (None, "UTC", "Europe/Berlin")
        ),
        *(
            Case(
                f"Parquet {name}",
                "times",
                "Parquet dates" if name == "date32" else "",
                {
                    "log.parquet": parquet(
                        user_id=["u1", "u1"],
                        item_id=["b", "a"],
                        timestamp=pa.array([date(2023, 11, 16), date(2023, 11, 15)], dtype),
                    )
                },
                one(("a", day), ("b", day + 86_400)),
            )
            for name, dtype in (("date32", pa.date32()), ("date64", pa.date64()))
        ),
        *(
            Case(
                f"Parquet {dtype} of {name}",
                "times",
                "whole numbers and floats of Parquet, in any of these units"
                if (name, dtype) == ("s", pa.int64())
                else "",
                {
                    "log.parquet": parquet(
                        user_id=["u1", "u1"],
                        item_id=["b", "a"],
                        timestamp=pa.array([(T + 60) * scale, T * scale]).cast(dtype, safe=False),
                    )
                },
                TWO,
            )
            for name, scale in (("s", 1), ("ms", 1000), ("us", 10**6), ("ns", 10**9))
            for dtype in (pa.int64(), pa.uint64(), pa.float64())
        ),
        Case(
            "Parquet int32 seconds",
            "times",
            "",
            {
                "log.parquet": parquet(
                    user_id=["u1", "u1"], item_id=["b", "a"], timestamp=pa.array([T + 60, T], pa.int32())
                )
            },
            TWO,
        ),
        Case(
            "Parquet times as text",
            "times",
            "text in Parquet and JSON, in any of these forms",
            {
                "log.parquet": parquet(
                    user_id=["u1", "u1"],
                    item_id=["b", "a"],
                    timestamp=["2023-11-14 22:14:20 UTC", "2023-11-14 22:13:20 UTC"],
                )
            },
            TWO,
        ),
        Case(
            "Parquet float times with NaN",
            "times",
            "a time that is null or NaN is missing",
            {
                "log.parquet": parquet(
                    user_id=["u1"] * 3, item_id=["b", "c", "a"], timestamp=[T + 60.0, float("nan"), float(T)]
                )
            },
            TWO,
            incomplete=1,
            notes=[r"data row 2\b"],
        ),
        Case(
            "Parquet nanoseconds with one missing",
            "times",
            "",
            {
                "log.parquet": parquet(
                    user_id=["u1"] * 3,
                    item_id=["b", "c", "a"],
                    timestamp=pa.array([(T + 60) * 10**9, None, T * 10**9], pa.timestamp("ns")),
                )
            },
            TWO,
            incomplete=1,
        ),
        *(
            Case(
                f"one day before the epoch in {unit}",
                "times",
                "times are whole seconds, rounded down" if unit == "s" else "",
                {
                    "log.parquet": parquet(
                        user_id=["u1", "u1"],
                        item_id=["b", "a"],
                        timestamp=pa.array([-scale // 2, -86_400 * scale], pa.int64()).cast(pa.timestamp(unit)),
                    )
                },
                one(("a", -86_400), ("b", -1)),
            )
            for unit, scale in (("s", 1), ("ms", 1000), ("us", 10**6), ("ns", 10**9))
        ),
        *(
            Case(
                f"Parquet time of the year {year}",
                "times",
                "a time of Parquet outside these years" if year == 1066 else "",
                {
                    "log.parquet": parquet(
                        user_id=["u1", "u1"],
                        item_id=["b", "a"],
                        timestamp=pa.array([datetime(year, 1, 1), datetime(2023, 1, 1)], pa.timestamp("us")),
                    )
                },
                None,
                [r"data row 1\b|line 1\b|row 1\b", rf"{year}"],
            )
            for year in (1066, 2999)
        ),
        Case(
            "JSON times as text",
            "times",
            "numbers, fractions, text and numbers in quotes in JSON",
            {
                "log.jsonl": lines(
                    {"user_id": "u1", "item_id": "b", "timestamp": "2023-11-14T22:14:20Z"},
                    {"user_id": "u1", "item_id": "a", "timestamp": "2023-11-14T22:13:20Z"},
                )
            },
            TWO,
        ),
        Case(
            "JSON times as floats and whole numbers",
            "times",
            "",
            {
                "log.jsonl": lines(
                    {"user_id": "u1", "item_id": "b", "timestamp": T + 60},
                    {"user_id": "u1", "item_id": "a", "timestamp": T + 0.5},
                )
            },
            TWO,
        ),
        Case(
            "JSON numbers in quotes",
            "times",
            "",
            {
                "log.jsonl": lines(
                    {"user_id": "u1", "item_id": "b", "timestamp": str(T + 60)},
                    {"user_id": "u1", "item_id": "a", "timestamp": str(T)},
                )
            },
            TWO,
        ),
    ]


def _orders() -> list[Case]:
    """Events that only the fractions of their times tell apart; rows in another order."""
    places = (3, 1, 2, 0, 4)
    right = one(*((f"i{place}", T) for place in range(5)))

    def written(form: Callable[[int], str]) -> dict[str, str | bytes]:
        return {"log.csv": "user_id,item_id,timestamp\n" + "".join(f"u1,i{place},{form(place)}\n" for place in places)}

    def typed(times: Sequence[Any], dtype: pa.DataType) -> dict[str, str | bytes]:
        table = parquet(
            user_id=["u1"] * 5,
            item_id=[f"i{place}" for place in places],
            timestamp=pa.array(times, pa.int64()).cast(dtype),
        )
        return {"log.parquet": table}

    forms: dict[str, dict[str, str | bytes]] = {
        "seconds 0.1 ms apart": written(lambda place: f"{T + place * 0.0001:.6f}"),
        "seconds 1 us apart": written(lambda place: f"{T}.{place:06d}"),
        "milliseconds with fractions": written(lambda place: f"{T}000.{place:03d}"),
        "milliseconds": written(lambda place: f"{T * 1000 + place}"),
        "microseconds": written(lambda place: f"{T * 10**6 + place}"),
        "nanoseconds 1 ns apart": written(lambda place: f"{T * 10**9 + place}"),
        "ISO with nanoseconds": written(lambda place: f"2023-11-14T22:13:20.{place:09d}Z"),
        "ISO with microseconds": written(lambda place: f"2023-11-14 22:13:20.{place:06d}"),
        "Parquet ns": typed([T * 10**9 + place for place in places], pa.timestamp("ns")),
        "Parquet us": typed([T * 10**6 + place for place in places], pa.timestamp("us", "UTC")),
        "Parquet whole nanoseconds": typed([T * 10**9 + place for place in places], pa.int64()),
        "Parquet unsigned nanoseconds": typed([T * 10**9 + place for place in places], pa.uint64()),
        "Parquet float seconds": {
            "log.parquet": parquet(
                user_id=["u1"] * 5,
                item_id=[f"i{place}" for place in places],
                timestamp=[T + place * 1e-6 for place in places],
            )
        },
        "JSON nanoseconds": {
            "log.jsonl": lines(
                *({"user_id": "u1", "item_id": f"i{place}", "timestamp": T * 10**9 + place} for place in places)
            )
        },
        "JSON float seconds": {
            "log.jsonl": lines(
                *({"user_id": "u1", "item_id": f"i{place}", "timestamp": T + place * 1e-6} for place in places)
            )
        },
        "nanoseconds beside a missing one": {
            "log.csv": "user_id,item_id,timestamp\nu2,i0,\n"
            + "".join(f"u1,i{place},{T * 10**9 + place}\n" for place in places)
        },
    }
    return [
        Case(
            f"order: {name}",
            "times",
            "the order is that of the whole value, to the nanosecond" if name == "nanoseconds 1 ns apart" else "",
            files,
            right,
            incomplete=int("missing" in name),
        )
        for name, files in forms.items()
    ]


def _day_or_month() -> list[Case]:
    june = 1_717_545_600  # 2024-06-05 00:00 UTC
    may = 1_714_953_600  # 2024-05-06 00:00 UTC
    late = 1_719_705_600  # 2024-06-30 00:00 UTC

    def dates(*texts: str) -> dict[str, str | bytes]:
        return {
            "log.csv": "user_id,item_id,date\n"
            + "".join(f"u1,{item},{text}\n" for item, text in zip("abcdef", texts, strict=False))
        }

    dmy, mdy = one(("a", june), ("b", late)), one(("a", may), ("b", late))
    return [
        Case(
            "dd/mm/yyyy",
            "times",
            "day and month are told apart by the whole column",
            dates("05/06/2024", "30/06/2024"),
            dmy,
        ),
        Case("dd.mm.yyyy", "times", "", dates("05.06.2024", "30.06.2024"), dmy),
        Case("dd-mm-yyyy", "times", "", dates("05-06-2024", "30-06-2024"), dmy),
        Case(
            "dd.mm.yyyy HH:MM",
            "times",
            "",
            dates("05.06.2024 02:35", "30.06.2024 22:50"),
            one(("a", june + 9_300), ("b", late + 82_200)),
        ),
        Case("mm/dd/yyyy", "times", "", dates("05/06/2024", "06/30/2024"), mdy),
        Case(
            "mm/dd/yyyy hh:mm AM",
            "times",
            "",
            dates("05/06/2024 02:35 AM", "06/30/2024 12:50 PM"),
            one(("a", may + 9_300), ("b", late + 46_200)),
        ),
        Case(
            "midnight and noon in AM and PM",
            "times",
            "",
            dates("05/06/2024 12:00 AM", "06/30/2024 12:00 PM"),
            one(("a", may), ("b", late + 43_200)),
        ),
        Case(
            "day or month, decided in the last row",
            "times",
            "",
            {"log.csv": "user_id,item_id,date\n" + "u1,a,05/06/2024\n" * 3000 + "u1,b,30/06/2024\n"},
            one(*([("a", june)] * 3000), ("b", late)),
        ),
        Case(
            "day or month, nobody can tell",
            "times",
            "dates that could be day first or month first: `time_format` is asked for",
            dates("05/06/2024", "06/07/2024"),
            None,
            [r"time_format", r"dmy", r"mdy", r"05/06/2024"],
        ),
        Case(
            "day or month, both in one column",
            "times",
            "",
            dates("05/06/2024", "30/06/2024", "06/30/2024"),
            None,
            [r"line [34]\b", r"30/06/2024|06/30/2024"],
        ),
        Case(
            "day first, said",
            "times",
            "`time_format` takes `dmy`, `mdy`, `iso`, a unit (`s`, `ms`, `us`, `ns`) or a pattern such as `%d.%m.%y`",
            dates("05/06/2024", "06/06/2024"),
            one(("a", june), ("b", june + 86_400)),
            settings={"time_format": "dmy"},
        ),
        Case(
            "month first, said",
            "times",
            "",
            dates("05/06/2024", "05/07/2024"),
            one(("a", may), ("b", may + 86_400)),
            settings={"time_format": "mdy"},
        ),
        Case(
            "a pattern, said",
            "times",
            "",
            dates("05.06.24 02h", "30.06.24 00h"),
            one(("a", june + 7_200), ("b", late)),
            settings={"time_format": "%d.%m.%y %Hh"},
        ),
        Case(
            "a pattern that does not fit one row",
            "times",
            "",
            dates("05.06.24", "30.06.24", "soon"),
            None,
            [r"line 4\b", r"soon", r"date"],
            settings={"time_format": "%d.%m.%y"},
        ),
        *(
            Case(
                f"the unit {unit}, said",
                "times",
                "",
                {"log.csv": f"user_id,item_id,timestamp\nu1,b,{60 * scale}\nu1,a,0\n"},
                one(("a", 0), ("b", 60)),
                settings={"time_format": unit},
            )
            for unit, scale in (("s", 1), ("ms", 1000), ("us", 10**6), ("ns", 10**9))
        ),
        Case(
            "no known form",
            "times",
            "values of no known form, or of two forms, or no date at all",
            {"log.csv": "user_id,item_id,timestamp\nu1,b,week 12 of 2024\nu1,a,week 13 of 2024\n"},
            None,
            [r"week 12 of 2024", r"line 2\b", r"time_format", r"timestamp"],
        ),
        Case(
            "the 31st of February",
            "times",
            "",
            dates("05/06/2024", "31/02/2024"),
            None,
            [r"line 3\b", r"31/02/2024"],
        ),
        *(
            Case(
                f"the year {year}, {form}",
                "times",
                "a date outside the years 1900 to 2200" if (year, form) == ("6023", "seconds") else "",
                {
                    "log.csv": "user_id,item_id,timestamp\n"
                    f"u1,b,2023-11-14T22:13:20{rest}\nu1,a,{year}-11-14T22:13:20{rest}\n"
                },
                None,
                [r"line 3\b", rf"{year}-11-14"],
            )
            for year in ("6023", "2999", "1066", "0001")
            for form, rest in (("seconds", ""), ("nanoseconds", ".000000001"), ("with Z", "Z"))
        ),
        *(
            Case(
                f"no value at all in a column called timestamp, {name}",
                "times",
                "a column with a name of times that has none" if name == "CSV" else "",
                files,
                None,
                [r"timestamp|time"],
            )
            for name, files in (
                ("CSV", {"log.csv": "user_id,item_id,timestamp\nu1,a,\nu1,b,NULL\n"}),
                (
                    "JSON",
                    {
                        "log.jsonl": lines(
                            {"user_id": "u1", "item_id": "a", "timestamp": None},
                            {"user_id": "u1", "item_id": "b", "timestamp": ""},
                        )
                    },
                ),
                (
                    "Parquet",
                    {
                        "log.parquet": parquet(
                            user_id=["u1", "u1"], item_id=["a", "b"], timestamp=pa.array([None, None], pa.int64())
                        )
                    },
                ),
            )
        ),
        Case(
            "one broken date in a column called timestamp",
            "times",
            "a column with a name of times that has something else",
            {"log.csv": 'user_id,item_id,timestamp\nu1,a,"2023/11/14 01:""45:04"\n'},
            None,
            [r"line 2\b", r"2023/11/14 01"],
        ),
        Case(
            "dates and epoch numbers in one column",
            "times",
            "",
            {"log.csv": f"user_id,item_id,timestamp\nu1,b,2023-11-14 22:13:20\nu1,a,{T}\n"},
            None,
            [r"line [23]\b", rf"{T}|2023-11-14 22:13:20"],
        ),
    ]


TIMES = (
    *_text_times(),
    *_day_or_month(),
    *_typed_times(),
    *_orders(),
)
