"""Which column is the user, the item, the time: by names in several languages, by type, with and without a header."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from data.door.case import TWO, Case, T, lines, one, parquet
from data.door.segue_reader import Histories


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
            "two columns that could be the time: `time` is asked for",
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
            "two columns of one name",
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
            "without a header the columns are found by type and place; where two could be the time it may be asked for",
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
            "columns",
            "",
            {"log.csv": f'"user_id","item_id","the\ntime"\nu1,b,{T + 60}\nu1,a,{T}\n'},
            TWO,
            settings={"time": "the\ntime"},
            or_refused=True,
        ),
    ]


COLUMNS = (
    *_names(),
    *_index(),
    *_which_time(),
    *_headers(),
)
