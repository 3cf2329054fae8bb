"""Ids and times that have types of their own: JSON, Parquet, samples."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from data.door.case import TWO, Case, T, lines, one, parquet


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
                "an id that is an object or a list" if name == "an object" else "",
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
            "JSON that is nested too deep, cut, or none; text with half a surrogate",
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
            "letters written as two surrogates",
            {"log.jsonl": lines('{"user_id": "\\ud83d\\ude42", "item_id": "a", "timestamp": 1700000000}')},
            one(("a", T), user="🙂"),
        ),
        Case(
            "cut JSON",
            "json",
            "a line that is cut, or that is no object",
            {"log.jsonl": lines(row("u1"), row("u1")) + '{"user_id": "u1", "item'},
            None,
            [r"line 3\b"],
        ),
        Case("no JSON", "json", "", {"log.jsonl": lines(row("u1"), "hello")}, None, [r"line 2\b"]),
        Case("a JSON number as a line", "json", "", {"log.jsonl": lines(row("u1"), "7")}, None, [r"line 2\b"]),
        Case(
            "further columns whose type changes",
            "json",
            "further fields of changing types, or nested",
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
            "a time that is an object",
            {"log.jsonl": lines(row("u1"), row("u1", "b", {"$date": 5}))},
            None,
            [r"line 2\b", r"timestamp"],
        ),
        Case(
            "unused fields that are nested",
            "json",
            "fields that nobody needs may hold anything",
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
            "objects and lists of Parquet as ids",
            table(pa.array([{"id": 1}, {"id": 2}])),
            None,
            [r"user_id"],
        ),
        Case("Parquet ids: a list", "ids", "", table(pa.array([[1], [2]])), None, [r"user_id"]),
        Case(
            "Parquet with a categorical split",
            "ids",
            "categories of Parquet beside them",
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
            "a damaged file",
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


def _samples() -> list[Case]:
    def table(history: Any, target: Any) -> dict[str, str | bytes]:
        return {"samples.parquet": parquet(split=["train", "test"], user_id=["u", "v"], history=history, target=target)}

    return [
        Case(
            "samples",
            "ids",
            "histories and targets of samples",
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


TYPED = (
    *_json(),
    *_parquet_ids(),
    *_samples(),
)
