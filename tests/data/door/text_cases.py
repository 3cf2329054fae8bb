"""Dialects of text: quotes, line ends, decimal commas, many columns, gzip."""

from __future__ import annotations

import gzip
import json
from typing import Any

from data.door.case import TWO, Case, T, one
from data.door.segue_reader import Histories


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
            "a rating that is no number",
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
            "a quote that is never closed, among quoted fields",
            {"log.csv": "\n".join(broken) + "\n"},
            None,
            [r"line 2[123]\b"],
        ),
        Case(
            "one open quote in an ordinary CSV",
            "text",
            "a lone quote in an ordinary CSV is a letter, or the line is named",
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
            "a field too many, whichever columns are asked for",
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
        *(
            Case(
                f"the file ends within quotes, {separator!r}",
                "text",
                "",
                {
                    "log.csv": f'"item_id","user_id","timestamp"\n"a","u1","{T}"\n"b","u1","{T + 60}"\n"c","u'.replace(
                        ",", separator
                    )
                },
                None,
                [r"line 4\b"],
            )
            for separator in (",", ";", "\t")
        ),
        Case(
            "the file ends within quotes, with line ends in quotes before",
            "text",
            "",
            {
                "log.tsv": '"title"\t"timestamp"\t"item_id"\t"user_id"\n'
                f'""\t"{T}"\t"a"\t"u1"\n"two\nlines"\t"{T}"\t"b"\t"null"\n"42"\t"{T}"\t"c"\t"u'
            },
            None,
            [r"line [45]\b"],
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
            "an empty file, or one with a header alone",
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
        Case("gzip of two members", "text", "gzip of several members", {"log.csv.gz": two}, TWO),
        Case("damaged gzip of JSON lines", "json", "", {"log.jsonl.gz": bytes(bad_lines)}, None, [r"log\.jsonl\.gz"]),
    ]


TEXTS = (
    *_decimals(),
    *_quotes(),
    *_many_columns(),
    *_gzip(),
)
