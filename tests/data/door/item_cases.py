"""The catalogue beside a log."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from data.door.case import Case, T, lines, one, parquet


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
            "an item file with a field too many, or in another encoding",
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
            "the item files of RecBole, MovieLens and KuaiRand",
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


ITEMS = (*_items(),)
