"""Single files with the right outcome by hand: dialects, names of columns, times, types, what is refused."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data.door.segue_reader import Histories

T = 1_700_000_000
"""2023-11-14 22:13:20 UTC."""


@dataclass(frozen=True)
class Case:
    """One file (or several), and what must come of it; `right` is None where it must be refused.

    `columns` are further columns of the events, in stored order; `notes` must be found among the notes of the dataset.
    A case without `says` is a brother of the one before it, and the matrix in docs/data.md leaves it out.
    """

    name: str
    about: str
    says: str
    files: Mapping[str, str | bytes]
    right: Histories | None
    said: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    incomplete: int = 0
    notes: Sequence[str] = ()
    columns: Mapping[str, Sequence[float]] = field(default_factory=dict)
    absent: Sequence[str] = ()
    or_refused: bool = False
    check: Callable[[Any], bool] | None = None
    slow: bool = False


def parquet(**columns: Any) -> bytes:
    """A Parquet file; a column is a list or an Arrow array."""
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def lines(*records: object) -> str:
    """JSON lines."""
    return "".join((record if isinstance(record, str) else json.dumps(record)) + "\n" for record in records)


def one(*items: tuple[str, int | None], user: str = "u1") -> Histories:
    """The history of one user."""
    return {user: list(items)}


TWO = one(("a", T), ("b", T + 60))
"""Two events of one user, a minute apart."""


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
                "",
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
            "",
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
            "",
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
                "",
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
            "",
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
        Case("dd/mm/yyyy", "times", "", dates("05/06/2024", "30/06/2024"), dmy),
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
            "day and month are told apart by the whole column",
            {"log.csv": "user_id,item_id,date\n" + "u1,a,05/06/2024\n" * 3000 + "u1,b,30/06/2024\n"},
            one(*([("a", june)] * 3000), ("b", late)),
        ),
        Case(
            "day or month, nobody can tell",
            "times",
            "dates that could be day first or month first are refused and `time_format` is asked for",
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
            "",
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
                "",
                {
                    "log.csv": f"user_id,item_id,timestamp\nu1,b,2023-11-14T22:13:20{rest}\nu1,a,{year}-11-14T22:13:20{rest}\n"
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
                "",
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
            "",
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


def _names() -> list[Case]:
    """Columns in the ways that people and programs name them; the two events of `TWO`."""
    iso = ("2023-11-14 22:14:20", "2023-11-14 22:13:20")

    def table(header: str, row: str, separator: str = ",") -> dict[str, str | bytes]:
        filled = [row.replace("ITEM", item).replace("TIME", time) for item, time in zip("ba", iso, strict=True)]
        text = "\n".join([header, *filled]) + "\n"
        return {"log.csv": text.replace(",", separator)}

    def case(name: str, header: str, row: str, **further: Any) -> Case:
        return Case(f"names: {name}", "columns", f"{name}: `{header}`", table(header, row), TWO, **further)

    epoch_us = {
        "log.csv": f"event_date,event_timestamp,event_name,user_pseudo_id,item_id\n"
        f"20231114,{(T + 60) * 10**6},view_item,u1,b\n20231114,{T * 10**6},view_item,u1,a\n"
    }
    return [
        case("the usual", "user_id,item_id,rating,timestamp", "u1,ITEM,4.5,TIME", columns={"rating": [4.5, 4.5]}),
        case("capitals", "UserID,ItemID,Timestamp", "u1,ITEM,TIME"),
        case("camels", "userId,itemId,eventTime", "u1,ITEM,TIME"),
        case("short", "user,item,ts", "u1,ITEM,TIME"),
        case(
            "a shop",
            "order_id,customer_id,sku,quantity,unit_price,purchased_at,country",
            "0,u1,ITEM,5,15.00,TIME,DE",
        ),
        case("Shopify", "Name,Email,Created at,Lineitem quantity,Lineitem sku", "#1001,u1,TIME,1,ITEM"),
        case("BigQuery", "user_id,item_id,event_timestamp", "u1,ITEM,TIME UTC"),
        Case(
            "names: Google Analytics",
            "columns",
            "Google Analytics: `event_date,event_timestamp,event_name,user_pseudo_id,item_id`",
            epoch_us,
            TWO,
        ),
        case("Spark", "userId,productId,event_time,event_type", "u1,ITEM,TIME,view"),
        case("a shop of clicks", "visitorid,itemid,timestamp,event", "u1,ITEM,TIME,view"),
        Case(
            "names: German",
            "columns",
            "German: `Kunde;Artikel;Bewertung;Datum`",
            {"log.csv": "\ufeffKunde;Artikel;Bewertung;Datum\nu1;b;5,0;14.11.2023 22:14\nu1;a;1,5;14.11.2023 22:13\n"},
            one(("a", T - 20), ("b", T + 40)),
            columns={"rating": [1.5, 5.0]},
        ),
        case("German, numbers", "Kundennummer,Artikelnummer,Zeitstempel", "u1,ITEM,TIME"),
        case("French", "client,article,note,date", "u1,ITEM,4,TIME", columns={"rating": [4, 4]}),
        case("French, users", "utilisateur,produit,horodatage", "u1,ITEM,TIME"),
        case("Spanish", "cliente,producto,fecha", "u1,ITEM,TIME"),
        case("Spanish, users", "usuario,producto,fecha", "u1,ITEM,TIME"),
        Case(
            "names: blanks around",
            "columns",
            "",
            table("user_id, item_id, timestamp", "u1, ITEM, TIME"),
            TWO,
        ),
        Case(
            "names: in quotes",
            "columns",
            "",
            table('"user_id","item_id","timestamp"', '"u1","ITEM","TIME"'),
            TWO,
        ),
    ]


def _index() -> list[Case]:
    body = f"0,u1,b,4.0,{T + 60}\n1,u1,a,5.0,{T}\n"
    cases = [
        Case(
            f"index of pandas: {name or 'empty'}, {separator!r}",
            "columns",
            "the index that pandas writes (a first column without a name, or `Unnamed: 0`) is left out"
            if not name and separator == ","
            else "",
            {"log.csv": (f"{name},user_id,item_id,rating,timestamp\n" + body).replace(",", separator)},
            TWO,
            columns={"rating": [5.0, 4.0]},
            absent=["", "Unnamed: 0", "column_1"],
        )
        for name in ("", "Unnamed: 0", '""', " ")
        for separator in (",", ";", "\t")
    ]
    index = parquet(
        user_id=["u1", "u1"], item_id=["b", "a"], timestamp=[T + 60, T], __index_level_0__=pa.array([0, 1], pa.int64())
    )
    return [
        *cases,
        Case(
            "index of pandas with unknown names",
            "columns",
            "",
            {"log.csv": f",shopper,thing,when\n0,u1,b,{T + 60}\n1,u1,a,{T}\n"},
            TWO,
            settings={"user": "shopper", "item": "thing", "time": "when"},
            absent=["", "Unnamed: 0"],
        ),
        Case("index of pandas in Parquet", "columns", "", {"log.parquet": index}, TWO, absent=["__index_level_0__"]),
    ]


def _which_time() -> list[Case]:
    def table(header: str, *rows: str) -> dict[str, str | bytes]:
        return {"log.csv": "\n".join([header, *rows]) + "\n"}

    early, late = "2023-11-14 22:13:20", "2023-11-14 22:14:20"
    when = parquet(
        user_id=["u1", "u1"],
        item_id=["b", "a"],
        bought=pa.array([(T + 60) * 1000, T * 1000], pa.int64()).cast(pa.timestamp("ms")),
    )
    return [
        Case(
            "the only dates",
            "columns",
            "the only column of dates is the time, whatever its name, and a note says so",
            table("user_id,item_id,when", f"u1,b,{late}", f"u1,a,{early}"),
            TWO,
            notes=[r"when"],
        ),
        Case(
            "the only dates, among numbers",
            "columns",
            "",
            table("user_id,item_id,price,bought on", f"u1,b,7,{late}", f"u1,a,8,{early}"),
            TWO,
            notes=[r"bought on"],
        ),
        Case("the only dates, in Parquet", "columns", "", {"log.parquet": when}, TWO, notes=[r"bought"]),
        Case(
            "the only dates, in JSON",
            "columns",
            "",
            {
                "log.jsonl": lines(
                    {"user_id": "u1", "item_id": "b", "at_last": late},
                    {"user_id": "u1", "item_id": "a", "at_last": early},
                )
            },
            TWO,
            notes=[r"at_last"],
        ),
        Case(
            "two columns of dates",
            "columns",
            "two columns that could be the time: refused, and `time` is asked for",
            table("user_id,item_id,begun,ended", f"u1,b,{late},{late}", f"u1,a,{early},{late}"),
            None,
            [r"begun", r"ended", r"time="],
        ),
        Case(
            "two columns of dates, in Parquet",
            "columns",
            "",
            {
                "log.parquet": parquet(
                    user_id=["u1"],
                    item_id=["a"],
                    begun=pa.array([datetime(2023, 1, 1, tzinfo=UTC)]),
                    ended=pa.array([datetime(2023, 1, 2, tzinfo=UTC)]),
                )
            },
            None,
            [r"begun", r"ended", r"time="],
        ),
        Case(
            "two columns of dates, one named",
            "columns",
            "",
            table("user_id,item_id,begun,ended", f"u1,b,{early},{late}", f"u1,a,{late},{early}"),
            TWO,
            settings={"time": "ended"},
        ),
        Case(
            "a birthday beside the time",
            "columns",
            "",
            table("user_id,item_id,birthday,timestamp", f"u1,b,2001-02-03,{late}", f"u1,a,2001-02-03,{early}"),
            TWO,
        ),
        Case(
            "times=none goes by the rows",
            "columns",
            "",
            table("user_id,item_id,timestamp", f"u1,b,{late}", f"u1,a,{early}"),
            one(("b", None), ("a", None)),
            settings={"time": "none"},
        ),
        Case(
            "no time at all",
            "columns",
            "without a time the order of the rows is kept",
            table("user_id,item_id", "u1,b", "u1,a"),
            one(("b", None), ("a", None)),
        ),
        Case(
            "a name that is not there",
            "columns",
            "a name that is not there is answered with the near one",
            table("shopper,sku,bought_at", f"u1,b,{late}"),
            None,
            [r"shoper", r"shopper"],
            settings={"user": "shoper"},
        ),
        Case(
            "two columns of one name",
            "columns",
            "two columns of one name are refused",
            table("user_id,item_id,timestamp,timestamp", f"u1,b,{late},{late}"),
            None,
            [r"two columns.*timestamp"],
        ),
    ]


def _headers() -> list[Case]:
    snowflake = "".join(f"{1234567890123456700 + n % 8},{n % 9},{5 - n % 3},{T + n}\n" for n in range(40))
    wide: Histories = {
        str(1234567890123456700 + user): [(str(n % 9), T + n) for n in range(40) if n % 8 == user] for user in range(8)
    }
    ten = "".join(f"{1234567890 + n % 3},{n % 5},{T + n}\n" for n in range(30))
    thirteen = "".join(f"{1234567890123 + n % 3},{n % 5},{5 - n % 3},{T + n}\n" for n in range(30))
    return [
        Case(
            "wide ids without a header",
            "columns",
            "without a header the columns are found by type and place",
            {"log.csv": snowflake},
            wide,
            columns={},
            or_refused=True,
            said=[r"user", r"item|time"],
        ),
        Case(
            "ids of ten digits without a header",
            "columns",
            "",
            {"log.csv": ten},
            {str(1234567890 + u): [(str(n % 5), T + n) for n in range(30) if n % 3 == u] for u in range(3)},
            or_refused=True,
            said=[r"time|user"],
        ),
        Case(
            "ids of thirteen digits without a header",
            "columns",
            "",
            {"log.csv": thirteen},
            {str(1234567890123 + u): [(str(n % 5), T + n) for n in range(30) if n % 3 == u] for u in range(3)},
            or_refused=True,
            said=[r"time|user"],
        ),
        Case(
            "no header, said",
            "columns",
            "`header` says whether the first line has names",
            {"log.csv": "shopper,thing,2023-11-14\nu1,b,2023-11-16\nu1,a,2023-11-15\n"},
            {"shopper": [("thing", 1_699_920_000)], "u1": [("a", 1_700_006_400), ("b", 1_700_092_800)]},
            settings={"header": False},
        ),
        Case(
            "a header of two unknown words, said",
            "columns",
            "",
            {"log.csv": "shopper,thing\nann,cup\nann,tea\n"},
            one(("cup", None), ("tea", None), user="ann"),
            settings={"header": True},
            or_refused=True,
            said=[r"item=thing"],
        ),
        Case(
            "a header of known words above text",
            "columns",
            "",
            {"log.csv": "user,item\nann,cup\nann,tea\n"},
            one(("cup", None), ("tea", None), user="ann"),
        ),
        Case(
            "a header with a line end in it",
            "text",
            "",
            {"log.csv": f'"user_id","item_id","the\ntime"\nu1,b,{T + 60}\nu1,a,{T}\n'},
            TWO,
            settings={"time": "the\ntime"},
            or_refused=True,
        ),
    ]


def _decimals() -> list[Case]:
    def table(header: str, *rows: str) -> dict[str, str | bytes]:
        return {"log.csv": "\n".join([header, *rows]) + "\n"}

    head = "user_id;item_id;rating;timestamp"
    return [
        Case(
            "decimal commas",
            "text",
            "decimal commas, where every value of the column has or could have one",
            table(head, f"u1;b;5,0;{T + 60}", f"u1;a;1,5;{T}"),
            TWO,
            columns={"rating": [1.5, 5.0]},
        ),
        Case(
            "decimal commas beside whole numbers",
            "text",
            "",
            table(head, f"u1;b;5;{T + 60}", f"u1;a;1,5;{T}"),
            TWO,
            columns={"rating": [1.5, 5.0]},
        ),
        Case(
            "decimal commas in quotes",
            "text",
            "",
            table("user_id,item_id,rating,timestamp", f'u1,b,"5,0",{T + 60}', f'u1,a,"1,5",{T}'),
            TWO,
            columns={"rating": [1.5, 5.0]},
        ),
        Case(
            "decimal commas, said",
            "text",
            "`decimal` says it",
            table(head.replace(";", "\t"), f"u1\tb\t5,0\t{T + 60}", f"u1\ta\t1,5\t{T}"),
            TWO,
            columns={"rating": [1.5, 5.0]},
            settings={"decimal": ","},
        ),
        Case(
            "decimal points beside ;",
            "text",
            "",
            table(head, f"u1;b;5.0;{T + 60}", f"u1;a;1.5;{T}"),
            TWO,
            columns={"rating": [1.5, 5.0]},
        ),
        Case(
            "a rating that is no number",
            "text",
            "a rating that is no number is refused with its value and line",
            table("user_id,item_id,rating,timestamp", f"u1,b,5.0,{T + 60}", f"u1,a,good,{T}"),
            None,
            [r"line 3\b", r"good", r"rating"],
        ),
        Case(
            "a late rating that is no number",
            "text",
            "",
            {"log.csv": "user_id,item_id,rating,timestamp\n" + f"u1,b,5.0,{T}\n" * 3000 + f"u1,a,good,{T}\n"},
            None,
            [r"line 3,?002\b", r"good", r"rating"],
        ),
        Case(
            "a rating of NaN",
            "text",
            "",
            {"log.csv": "user_id,item_id,rating,timestamp\n" + f"u1,a,5.0,{T}\n" * 200 + f"u1,b,nan,{T + 60}\n"},
            one(*([("a", T)] * 200), ("b", T + 60)),
            check=lambda dataset: bool(dataset.log.columns["rating"][-1] != dataset.log.columns["rating"][-1]),
        ),
    ]


def _quotes() -> list[Case]:
    def titled(separator: str, **titles: str) -> tuple[dict[str, str | bytes], Histories]:
        """Eighty rows of eight users; `titles` are what stands in the title of some rows, by number."""
        rows, right = [separator.join(("title", "user_id", "item_id", "timestamp"))], Histories()
        for n in range(80):
            title = titles.get(f"r{n}", f"title {n}")
            rows.append(separator.join((title, f"u{n // 10}", f"i{n % 9}", str(T + n))))
            right.setdefault(f"u{n // 10}", []).append((f"i{n % 9}", T + n))
        return {"log.tsv" if separator == "\t" else "log.csv": "\n".join(rows) + "\n"}, right

    def case(name: str, says: str, separator: str, titles: dict[str, str], **further: Any) -> Case:
        files, right = titled(separator, **titles)
        return Case(name, "text", says, files, right, **further)

    swallowed = "user_id\titem_id\ttimestamp\ttitle\n" + "".join(
        f"u{n // 5}\ti{n % 9}\t{T + n}\t{title}\n"
        for n, title in enumerate('"Big' if n == 3 else '7" disc' if n == 10 else f"title {n}" for n in range(40))
    )
    forty: Histories = {f"u{u}": [(f"i{n % 9}", T + n) for n in range(u * 5, u * 5 + 5)] for u in range(8)}
    broken = ["title,user_id,item_id,timestamp"] + [f'"left, right {n}",u{n // 10},i{n % 9},{T + n}' for n in range(40)]
    broken[21] = f'"left, right,u2,i2,{T + 20}'
    review = "text,user_id,item_id,timestamp\n" + "".join(
        f'"first line {n}\nsecond line, of {n}\n\n",u{n // 5},i{n % 9},{T + n}\n' for n in range(40)
    )
    plain_quote = "user_id,item_id,timestamp\n" + "".join(
        f"u{n // 10},i{n % 9},{T + n}\n" if n != 30 else f'u3,"i3,{T + 30}\n' for n in range(80)
    )
    long_quote = "user_id,item_id,timestamp\n" + "".join(
        f"u{n % 50},i{n % 9},{T + n}\n" if n != 9000 else f'u0,"i0,{T + n}\n' for n in range(20_000)
    )
    return [
        *(
            case(
                f"quotes after line 50, {separator!r}",
                "quotes count wherever in the file they begin" if separator == ";" else "",
                separator,
                {"r70": f'"left{separator} right"'},
            )
            for separator in (",", ";", "\t", "|")
        ),
        *(
            case(f"line ends in quotes after line 50, {separator!r}", "", separator, {"r70": '"left\nright"'})
            for separator in (",", ";", "\t", "|")
        ),
        *(
            case(f"doubled quotes, {separator!r}", "", separator, {"r7": f'"the ""big""{separator} one"'})
            for separator in (",", ";", "\t", "|")
        ),
        Case("lone quotes in titles", "text", "", {"log.tsv": swallowed}, forty),
        *(
            case(
                f"inches, {separator!r}",
                "",
                separator,
                {"r3": '7" disc', "r50": '12" disc', "r51": 'a "disc"'},
                or_refused=separator == ",",
                said=[r"line (5|52|53)\b"],
            )
            for separator in (",", ";", "\t", "|")
        ),
        Case("line ends in review texts", "text", "", {"log.csv": review}, forty),
        Case(
            "line ends in review texts, the text last",
            "text",
            "",
            {
                "log.csv": "user_id,item_id,timestamp,text\n"
                + "".join(f'u{n // 5},i{n % 9},{T + n},"first {n}\n\n""second"", of {n}"\n' for n in range(40))
            },
            forty,
        ),
        Case(
            "an open quote among quoted texts",
            "text",
            "",
            {"log.csv": "\n".join(broken) + "\n"},
            None,
            [r"line 2[123]\b"],
        ),
        Case(
            "one open quote in an ordinary CSV",
            "text",
            "",
            {"log.csv": plain_quote},
            {
                **{f"u{u}": [(f"i{n % 9}", T + n) for n in range(u * 10, u * 10 + 10)] for u in range(8) if u != 3},
                "u3": [('"i3', T + 30), *((f"i{n % 9}", T + n) for n in range(31, 40))],
            },
            or_refused=True,
            said=[r"line 32\b"],
        ),
        Case(
            "one open quote in the middle of 20,000 rows",
            "text",
            "",
            {"log.csv": long_quote},
            None,
            said=[r"line 9,?002\b"],
        ),
        Case(
            "a field of 300,000 letters",
            "text",
            "a field may be as long as it likes",
            {"log.csv": f"user_id,item_id,timestamp,text\nu1,b,{T + 60},{'x' * 300_000}\nu1,a,{T},y\n"},
            TWO,
        ),
        Case(
            "a header cell of 300,000 letters",
            "text",
            "",
            {"log.csv": f"user_id,item_id,timestamp,{'x' * 300_000}\nu1,b,{T + 60},1\nu1,a,{T},2\n"},
            TWO,
            or_refused=True,
            said=[r"line 1\b|column"],
        ),
        Case(
            "a field too many, the column in front",
            "text",
            "",
            {"log.tsv": "title\tuser_id\titem_id\n" + "t\tu1\ta\n" * 70 + "left\tright\tu7\ti7\n" + "t\tu1\ta\n" * 9},
            None,
            [r"line 72\b"],
        ),
        Case(
            "a field too many in CSV, the column in front",
            "text",
            "",
            {"log.csv": "title,user_id,item_id\n" + "t,u1,a\n" * 70 + "left,right,u7,i7\n" + "t,u1,a\n" * 9},
            None,
            [r"line 72\b"],
        ),
        Case(
            "the last quote is never closed",
            "text",
            "",
            {
                "log.csv": "item_id,title,timestamp,user_id\n"
                + "".join(f'i{n},"left, right",{T + n},u1\n' for n in range(30))
                + f'i30,"two\nNULL,1,u1\ni31,"""",{T}'
            },
            None,
            [r"line 3\d\b"],
        ),
        Case(
            "an empty field too many",
            "text",
            "",
            {"log.csv": f"user_id;item_id;timestamp\nu1;b;{T + 60};\nu1;a;{T}\n"},
            TWO,
            or_refused=True,
            said=[r"line 2\b"],
        ),
        Case(
            "empty file",
            "text",
            "",
            {"log.csv": ""},
            None,
            [r"empty"],
        ),
        Case("only a header", "text", "", {"log.csv": "user_id,item_id,timestamp\n"}, None, [r"no rows"]),
        Case("one row", "text", "", {"log.csv": f"user_id,item_id,timestamp\nu1,a,{T}\n"}, one(("a", T))),
    ]


def _many_columns() -> list[Case]:
    names = [f"x{n}" for n in range(1300)]
    text = (
        ",".join(["user_id", "item_id", "timestamp", *names])
        + "\n"
        + "".join(
            ",".join([*row, *("1" for _ in names)]) + "\n" for row in (["u1", "b", str(T + 60)], ["u1", "a", str(T)])
        )
    )
    return [
        Case(
            "1,300 further columns",
            "text",
            "more columns than a process may have open files",
            {"log.csv": text},
            TWO,
            columns={"x1299": [1, 1]},
            slow=True,
        )
    ]


def _json() -> list[Case]:
    def row(user: object, item: object = "a", time: object = T) -> str:
        return json.dumps({"user_id": user, "item_id": item, "timestamp": time})

    late = [row(n % 5) for n in range(1200)] + [row("guest"), row("007"), row("7")]
    return [
        Case(
            "JSON ids: numbers first, text later",
            "ids",
            "in JSON ids may be numbers in some rows and text in others",
            {"log.jsonl": lines(*late)},
            {
                **{str(u): [("a", T)] * 240 for u in range(5)},
                **{user: [("a", T)] for user in ("guest", "007", "7")},
            },
        ),
        Case(
            "JSON ids wider than 2^63",
            "ids",
            "",
            {"log.jsonl": lines(*(row(2**63 + n, 2**70 + n, T + n) for n in range(6)))},
            {str(2**63 + n): [(str(2**70 + n), T + n)] for n in range(6)},
        ),
        Case(
            "JSON ids around 2^53",
            "ids",
            "",
            {"log.jsonl": lines(*(row(2**53 + n, -(2**53) - n, T + n) for n in range(6)))},
            {str(2**53 + n): [(str(-(2**53) - n), T + n)] for n in range(6)},
        ),
        Case(
            "JSON ids that pandas made floats",
            "ids",
            "",
            {"log.jsonl": lines(row(71.0, 5.0), row(None, 6.0), row(9.0, 5.0))},
            {"71": [("5", T)], "9": [("5", T)]},
            incomplete=1,
        ),
        Case(
            "JSON ids: null, empty, blank, absent",
            "ids",
            "",
            {
                "log.jsonl": lines(
                    row(None), row(""), row("  "), {"item_id": "a", "timestamp": T}, row("u1"), row("u1", None)
                )
            },
            one(("a", T)),
            incomplete=5,
            notes=[r"data row 1\b"],
        ),
        *(
            Case(
                f"JSON id that is {name}",
                "ids",
                "an id that is an object or a list is refused" if name == "an object" else "",
                {"log.jsonl": lines(row("u1"), row(value))},
                None,
                [r"line 2\b", r"user_id"],
            )
            for name, value in (("an object", {"id": "u1"}), ("a list", ["u1"]), ("an empty object", {}))
        ),
        Case(
            "a late JSON id that is an object",
            "ids",
            "",
            {"log.jsonl": lines(*(row(f"u{n}") for n in range(1500)), row({"id": "u1"}))},
            None,
            [r"line 1,?501\b", r"user_id"],
        ),
        Case(
            "JSON item that is an object",
            "ids",
            "",
            {"log.jsonl": lines(row("u1"), row("u1", {"sku": "a"}))},
            None,
            [r"line 2\b", r"item_id"],
        ),
        Case(
            "JSON too deep",
            "json",
            "JSON that is nested too deep, that is cut or that is no JSON is refused with the line",
            {"log.jsonl": lines(row("u1"), '{"user_id": ' + "[" * 100_000 + "]" * 100_000 + "}")},
            None,
            [r"line 2\b"],
        ),
        Case(
            "JSON too deep in the first line",
            "json",
            "",
            {"log.jsonl": lines('{"x": ' + "[" * 100_000 + "]" * 100_000 + "}", row("u1"))},
            None,
            [r"line 1\b"],
        ),
        Case(
            "a lone surrogate in an id",
            "json",
            "",
            {"log.jsonl": lines(row("u1"), '{"user_id": "\\ud800", "item_id": "a", "timestamp": 1700000000}')},
            None,
            [r"line 2\b"],
        ),
        Case(
            "a lone surrogate in the first line",
            "json",
            "",
            {"log.jsonl": lines('{"user_id": "\\udc00", "item_id": "a", "timestamp": 1700000000}', row("u1"))},
            None,
            [r"line 1\b"],
        ),
        Case(
            "a surrogate pair",
            "json",
            "",
            {"log.jsonl": lines('{"user_id": "\\ud83d\\ude42", "item_id": "a", "timestamp": 1700000000}')},
            one(("a", T), user="🙂"),
        ),
        Case(
            "cut JSON",
            "json",
            "",
            {"log.jsonl": lines(row("u1"), row("u1")) + '{"user_id": "u1", "item'},
            None,
            [r"line 3\b"],
        ),
        Case("no JSON", "json", "", {"log.jsonl": lines(row("u1"), "hello")}, None, [r"line 2\b"]),
        Case("a JSON number as a line", "json", "", {"log.jsonl": lines(row("u1"), "7")}, None, [r"line 2\b"]),
        Case(
            "further columns whose type changes",
            "json",
            "",
            {
                "log.jsonl": lines(
                    {"user_id": "u1", "item_id": "b", "timestamp": T + 60, "price": 1},
                    {"user_id": "u1", "item_id": "a", "timestamp": T, "price": "cheap"},
                )
            },
            TWO,
            or_refused=True,
            said=[r"price", r"line 2\b"],
        ),
        Case(
            "a time that is an object",
            "json",
            "",
            {"log.jsonl": lines(row("u1"), row("u1", "b", {"$date": 5}))},
            None,
            [r"line 2\b", r"timestamp"],
        ),
        Case(
            "unused fields that are nested",
            "json",
            "",
            {
                "log.jsonl": lines(
                    {"user_id": "u1", "item_id": "b", "timestamp": T + 60, "more": {"x": [1, {"y": None}]}},
                    {"user_id": "u1", "item_id": "a", "timestamp": T, "more": []},
                )
            },
            TWO,
        ),
    ]


def _parquet_ids() -> list[Case]:
    def table(user: Any, item: Any | None = None, count: int = 2) -> dict[str, str | bytes]:
        items = item if item is not None else ["a", "b", "c", "d"][:count]
        return {"log.parquet": parquet(user_id=user, item_id=items, timestamp=[T + n for n in range(count)])}

    words = pa.array(["u1", "u2"]).dictionary_encode()
    wide = [2**53 + 1, 2**53]
    return [
        Case(
            "Parquet ids: whole numbers",
            "ids",
            "",
            table(pa.array(wide)),
            {str(2**53 + 1): [("a", T)], str(2**53): [("b", T + 1)]},
        ),
        Case(
            "Parquet ids: beyond 2^63",
            "ids",
            "",
            table(pa.array([2**64 - 1, 2**63], pa.uint64())),
            {str(2**64 - 1): [("a", T)], str(2**63): [("b", T + 1)]},
        ),
        *(
            Case(
                f"Parquet ids: {dtype}",
                "ids",
                "",
                table(pa.array([7, 8], dtype)),
                {"7": [("a", T)], "8": [("b", T + 1)]},
            )
            for dtype in (pa.int8(), pa.uint16(), pa.int32(), pa.float32(), pa.float64(), pa.decimal128(20, 0))
        ),
        Case(
            "Parquet ids: floats with NaN and null",
            "ids",
            "ids that pandas made floats (`71.0`, and `NaN` where one is missing) are whole numbers again",
            table(pa.array([71.0, float("nan"), None, 9.0]), count=4),
            {"71": [("a", T)], "9": [("d", T + 3)]},
            incomplete=2,
            notes=[r"data row 2\b"],
        ),
        Case(
            "Parquet items: floats with NaN",
            "ids",
            "",
            table(["u1"] * 3, pa.array([5.0, float("nan"), 6.0]), 3),
            one(("5", T), ("6", T + 2)),
            incomplete=1,
        ),
        Case("Parquet ids: categories", "ids", "", table(words), {"u1": [("a", T)], "u2": [("b", T + 1)]}),
        Case(
            "Parquet ids: categories with blanks and an empty one",
            "ids",
            "",
            table(pa.array([" u1 ", "", "u2"]).dictionary_encode(), count=3),
            {"u1": [("a", T)], "u2": [("c", T + 2)]},
            incomplete=1,
        ),
        Case(
            "Parquet ids: large text",
            "ids",
            "",
            table(pa.array(["u1", "007"], pa.large_string())),
            {"u1": [("a", T)], "007": [("b", T + 1)]},
        ),
        Case(
            "Parquet ids: an object",
            "ids",
            "",
            table(pa.array([{"id": 1}, {"id": 2}])),
            None,
            [r"user_id"],
        ),
        Case("Parquet ids: a list", "ids", "", table(pa.array([[1], [2]])), None, [r"user_id"]),
        Case(
            "Parquet with a categorical split",
            "ids",
            "",
            {
                "log.parquet": parquet(
                    user_id=["u1", "u1"],
                    item_id=["b", "a"],
                    timestamp=[T + 60, T],
                    split=pa.array(["train", "test"]).dictionary_encode(),
                )
            },
            TWO,
        ),
        Case(
            "Parquet that is none",
            "parquet",
            "a damaged file is refused",
            {"log.parquet": b"hello"},
            None,
            [r"log\.parquet"],
        ),
        Case(
            "cut Parquet",
            "parquet",
            "",
            {"log.parquet": parquet(user_id=["u1"], item_id=["a"])[:-20]},
            None,
            [r"log\.parquet"],
        ),
    ]


def _gzip() -> list[Case]:
    whole = gzip.compress(("user_id,item_id,timestamp\n" + f"u1,a,{T}\n" * 2000).encode(), mtime=0)
    spoilt = bytearray(whole)
    spoilt[len(spoilt) // 2] ^= 0xFF
    records = gzip.compress(
        (json.dumps({"user_id": "u1", "item_id": "a", "timestamp": T}) + "\n").encode() * 500, mtime=0
    )
    bad_lines = bytearray(records)
    bad_lines[len(bad_lines) // 2] ^= 0xFF
    two = gzip.compress(f"user_id,item_id,timestamp\nu1,b,{T + 60}\n".encode()) + gzip.compress(f"u1,a,{T}\n".encode())
    return [
        Case(
            "damaged gzip", "text", "", {"log.csv.gz": bytes(spoilt)}, None, [r"log\.csv\.gz", r"gzip|damaged|broken"]
        ),
        Case("cut gzip", "text", "", {"log.csv.gz": whole[:-9]}, None, [r"log\.csv\.gz"]),
        Case(
            "gzip with a wrong checksum", "text", "", {"log.csv.gz": whole[:-8] + b"12345678"}, None, [r"log\.csv\.gz"]
        ),
        Case("no gzip", "text", "", {"log.csv.gz": b"user_id,item_id\nu1,a\n"}, None, [r"log\.csv\.gz"]),
        Case("gzip of two members", "text", "", {"log.csv.gz": two}, TWO),
        Case("damaged gzip of JSON lines", "json", "", {"log.jsonl.gz": bytes(bad_lines)}, None, [r"log\.jsonl\.gz"]),
    ]


def _items() -> list[Case]:
    """The catalogue beside the log."""
    log = "user_id,item_id,timestamp\n" + "".join(f"u1,i{n},{T + n}\n" for n in range(9))
    events = one(*((f"i{n}", T + n) for n in range(9)))

    def titles(dataset: Any) -> list[str | None]:
        table = dataset.catalog.table
        return [table.filter(table["item_id"] == f"i{n}")["title"][0] for n in range(9)]

    quoted = ["plain", '7" disc', '"Big', 'a "great" one', "x", "y", "z", 'last 12"', "end"]
    tsv = "item_id\ttitle\tprice\n" + "".join(f"i{n}\t{title}\t{n}.5\n" for n, title in enumerate(quoted))
    csv_titles = ["plain", "left, right", 'say "hi"', "two\nlines", "x", "y", "z", "v", "w"]
    escaped = ['"' + title.replace('"', '""') + '"' if set(title) & set(',"\n') else title for title in csv_titles]
    csv_text = "item_id,title,price\n" + "".join(f"i{n},{title},{n}.5\n" for n, title in enumerate(escaped))
    wide = [str(2**53 + n) for n in range(3)] + [str(2**63 + n) for n in range(3)]
    wide_log = "user_id,item_id,timestamp\n" + "".join(f"u1,{item},{T + n}\n" for n, item in enumerate(wide))
    wide_items = "item_id,title\n" + "".join(f"{item},t{n}\n" for n, item in enumerate(wide))
    wide_right = one(*((item, T + n) for n, item in enumerate(wide)))

    def wide_titles(dataset: Any) -> bool:
        table = dataset.catalog.table.sort("title")
        return bool(table["title"].to_list() == [f"t{n}" for n in range(6)] and table["item_id"].to_list() == wide)

    return [
        Case(
            "lone quotes in the item file",
            "items",
            "the item file beside the log is read by the same rules",
            {"log.csv": log, "items.tsv": tsv},
            events,
            check=lambda dataset: titles(dataset) == quoted,
        ),
        Case(
            "quoted titles in the item file",
            "items",
            "",
            {"log.csv": log, "items.csv": csv_text},
            events,
            check=lambda dataset: titles(dataset) == csv_titles,
        ),
        Case(
            "wide ids in the item file",
            "items",
            "",
            {"log.csv": wide_log, "items.csv": wide_items},
            wide_right,
            check=wide_titles,
        ),
        Case(
            "wide ids in an item file of JSON lines",
            "items",
            "",
            {
                "log.csv": wide_log,
                "items.jsonl": lines(*({"item_id": int(item), "title": f"t{n}"} for n, item in enumerate(wide))),
            },
            wide_right,
            check=wide_titles,
        ),
        Case(
            "blanks around ids of the item file",
            "items",
            "",
            {"log.csv": log, "items.csv": "item_id, title\n" + "".join(f" i{n} , t{n}\n" for n in range(9))},
            events,
            check=lambda dataset: [str(title).strip() for title in titles(dataset)] == [f"t{n}" for n in range(9)],
        ),
        Case(
            "float ids in the log, whole ones in the item file",
            "items",
            "",
            {
                "log.csv": f"user_id,item_id,timestamp\nu1,71.0,{T}\nu1,8.0,{T + 60}\n",
                "items.csv": "item_id,title\n8,eight\n71,many\n",
            },
            one(("71", T), ("8", T + 60)),
            check=lambda dataset: (
                dict(dataset.catalog.table.select("item_id", "title").iter_rows()) == {"71": "many", "8": "eight"}
            ),
        ),
        Case(
            "whole ids in the log, float ones in the item file",
            "items",
            "",
            {
                "log.csv": f"user_id,item_id,timestamp\nu1,71,{T}\nu1,8,{T + 60}\n",
                "items.csv": "item_id,title\n8.0,eight\n71.0,many\n",
            },
            one(("71", T), ("8", T + 60)),
            check=lambda dataset: (
                dict(dataset.catalog.table.select("item_id", "title").iter_rows()) == {"71": "many", "8": "eight"}
            ),
        ),
        Case(
            "float ids in an item file of Parquet",
            "items",
            "",
            {
                "log.csv": f"user_id,item_id,timestamp\nu1,71,{T}\nu1,8,{T + 60}\n",
                "items.parquet": parquet(item_id=pa.array([8.0, 71.0, None]), title=["eight", "many", "none"]),
            },
            one(("71", T), ("8", T + 60)),
            check=lambda dataset: (
                dict(dataset.catalog.table.select("item_id", "title").iter_rows()) == {"71": "many", "8": "eight"}
            ),
        ),
        Case(
            "items without an id",
            "items",
            "",
            {
                "log.csv": log,
                "items.csv": "item_id,title\n"
                + "".join(f"i{n},t{n}\n" for n in range(9))
                + ",nobody\n  ,blank\nNULL,null\n",
            },
            events,
            settings={"keep_unseen": True},
            check=lambda dataset: dataset.catalog.ids.to_list() == [f"i{n}" for n in range(9)],
        ),
        Case(
            "an index of pandas in the item file",
            "items",
            "",
            {"log.csv": log, "items.csv": ",item_id,title\n" + "".join(f"{n},i{n},t{n}\n" for n in range(9))},
            events,
            check=lambda dataset: (
                titles(dataset) == [f"t{n}" for n in range(9)]
                and not {"", "Unnamed: 0", "column_1"} & set(dataset.catalog.table.columns)
            ),
        ),
        Case(
            "decimal commas in the item file",
            "items",
            "",
            {"log.csv": log, "items.csv": "item_id;title;price\n" + "".join(f"i{n};t{n};{n},5\n" for n in range(9))},
            events,
            check=lambda dataset: (
                dataset.catalog.table.sort("item_id")["price"].to_list() == [n + 0.5 for n in range(9)]
            ),
        ),
        Case(
            "a long line in the item file",
            "items",
            "",
            {"log.csv": log, "items.csv": "item_id,title\n" + "".join(f"i{n},t{n}\n" for n in range(60)) + "i60,a,b\n"},
            None,
            [r"items\.csv", r"line 62\b"],
        ),
        Case(
            "an item file in UTF-16",
            "items",
            "",
            {"log.csv": log, "items.csv": "item_id,title\ni1,t\n".encode("utf-16")},
            None,
            [r"items\.csv", r"iconv -f utf-?16"],
        ),
        Case(
            "an item file in Latin-1",
            "items",
            "",
            {"log.csv": log, "items.csv": "item_id,title\ni1,Jérôme\n".encode("latin-1")},
            None,
            [r"items\.csv", r"iconv -f latin1"],
        ),
        Case(
            "lone quotes in RecBole's item file",
            "items",
            "",
            {
                "set.inter": "user_id:token\titem_id:token\ttimestamp:float\n"
                + "".join(f"u1\ti{n}\t{T + n}\n" for n in range(9)),
                "set.item": "item_id:token\ttitle:token_seq\n"
                + "".join(f"i{n}\t{title}\n" for n, title in enumerate(quoted)),
            },
            events,
            check=lambda dataset: (
                [title if isinstance(title, str) else " ".join(title) for title in titles(dataset) if title is not None]
                == quoted
            ),
        ),
        Case(
            "quoted titles of MovieLens",
            "items",
            "",
            {
                "ratings.csv": f"userId,movieId,rating,timestamp\n1,7,4.0,{T}\n1,8,5.0,{T + 60}\n",
                "movies.csv": 'movieId,title,genres\n7,"Matrix, The (1999)",Action|Sci-Fi\n8,"The ""Big"" One",Drama\n',
            },
            one(("7", T), ("8", T + 60), user="1"),
            check=lambda dataset: dataset.catalog.table["title"].to_list() == ["Matrix, The (1999)", 'The "Big" One'],
        ),
        Case(
            "wide ids in KuaiRand's feature file",
            "items",
            "",
            {
                "log_standard_4_08_to_4_21_pure.csv": "user_id,video_id,date,hourmin,time_ms,is_click,is_rand\n"
                + "".join(f"7,{item},20220408,0,{(T + n) * 1000},1,0\n" for n, item in enumerate(wide)),
                "video_features_basic_pure.csv": "video_id,author_id,tag\n"
                + "".join(f"{item},{n},{n}\n" for n, item in enumerate(wide)),
            },
            {"7": wide_right["u1"]},
            check=lambda dataset: (
                dict(dataset.catalog.table.select("item_id", "author_id").iter_rows())
                == {item: n for n, item in enumerate(wide)}
            ),
        ),
        Case(
            "a CSV of ids like those of Amazon",
            "columns",
            "",
            {"log.csv": f"user_id,item_id,rating,timestamp\nA1,B000000002,4.0,{T + 60}\nA1,B000000001,5.0,{T}\n"},
            one(("B000000001", T), ("B000000002", T + 60), user="A1"),
            columns={"rating": [5.0, 4.0]},
        ),
    ]


def _samples() -> list[Case]:
    def table(history: Any, target: Any) -> dict[str, str | bytes]:
        return {"samples.parquet": parquet(split=["train", "test"], user_id=["u", "v"], history=history, target=target)}

    return [
        Case(
            "samples",
            "ids",
            "",
            table([["a", "b"], []], ["c", "d"]),
            {"u#1": [("a", None), ("b", None), ("c", None)], "v#2": [("d", None)]},
        ),
        Case(
            "samples of wide ids",
            "ids",
            "",
            table(
                pa.array([[2**63, 2**63 + 1], [2**53 + 1]], pa.list_(pa.uint64())),
                pa.array([2**64 - 1, 2**53], pa.uint64()),
            ),
            {
                "u#1": [(str(2**63), None), (str(2**63 + 1), None), (str(2**64 - 1), None)],
                "v#2": [(str(2**53 + 1), None), (str(2**53), None)],
            },
        ),
        Case(
            "samples of float ids",
            "ids",
            "",
            table([[71.0, 5.0], [6.0]], [7.0, 8.0]),
            {"u#1": [("71", None), ("5", None), ("7", None)], "v#2": [("6", None), ("8", None)]},
        ),
        Case(
            "samples with blanks around ids",
            "ids",
            "",
            table([[" a", "b "], []], ["007", " d "]),
            {"u#1": [("a", None), ("b", None), ("007", None)], "v#2": [("d", None)]},
        ),
        Case(
            "samples of categories",
            "ids",
            "",
            table([["a"], ["b"]], pa.array(["c", "d"]).dictionary_encode()),
            {"u#1": [("a", None), ("c", None)], "v#2": [("b", None), ("d", None)]},
        ),
    ]


CASES: tuple[Case, ...] = (
    *_names(),
    *_index(),
    *_which_time(),
    *_headers(),
    *_text_times(),
    *_day_or_month(),
    *_typed_times(),
    *_orders(),
    *_decimals(),
    *_quotes(),
    *_many_columns(),
    *_json(),
    *_parquet_ids(),
    *_gzip(),
    *_items(),
    *_samples(),
)
