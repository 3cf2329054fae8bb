"""Amazon reviews of 2014, 2018 and 2023 (JSON lines, gzip or not, or 'ratings only' CSV) and their metadata."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.columns import Columns
from segue.data.sources.delimited import Delimited, split_line
from segue.data.sources.json_lines import JsonLines, parse_line, text_blocks
from segue.data.sources.mapping import log_of
from segue.data.sources.raw_log import RawLog
from segue.data.sources.table import Table
from segue.data.sources.text_files import first_lines
from segue.data.sources.times import epoch

_JSON = (".json", ".jsonl")
_ID = re.compile(rb"""["'](?:parent_asin|asin)["']\s*:\s*["']([^"']+)["']""")


def recognise(path: Path) -> str | None:
    """Why `path` is a review file of Amazon, or None."""
    file = _reviews(path)
    if file is None:
        return None
    if _is_json(file):
        try:
            keys = set(parse_line(first_lines(file, 1)[0], file, 1))
        except DataError:  # another kind of JSON, or a fault that whoever reads it will tell
            return None
        if {"reviewerID", "asin", "overall"} <= keys:
            return f"{file.name} has the fields reviewerID, asin and overall (2014 and 2018)"
        if {"user_id", "asin", "rating", "timestamp"} <= keys:
            return f"{file.name} has the fields user_id, asin, rating and timestamp (2023)"
        return None
    first, *rest = first_lines(file, 2)
    header = split_line(first, ",")
    if "user_id" in header and not {"asin", "parent_asin"} & {*header}:
        return None
    fields = split_line((rest or [first])[0], ",")
    if len(fields) == 4 and any(re.fullmatch(r"[0-9B][0-9A-Z]{9}", field.strip()) for field in fields[:2]):
        return f"{file.name} has lines of user, ASIN, rating and seconds"
    return None


def read(path: Path, asked: Mapping[str, str | None], why: str) -> RawLog:
    """The reviews, each an event with its `rating`; the metadata file beside them gives titles, brands and prices.

    In the 2023 release items are told apart by `parent_asin`, as its authors advise; pass `item=asin` for variants.
    """
    file = _reviews(path)
    if file is None:
        raise DataError(f"{path}: expected a review file of Amazon, such as reviews_Beauty_5.json.gz.")
    meta = _metadata(file)
    notes = [] if meta else [f"no metadata file beside {file.name} (looked for meta_*): items have ids only"]
    table: Table
    if not _is_json(file):
        table, columns, ticks = _ratings_only(file)
    else:
        table = JsonLines([file])
        if "reviewerID" in table.sample.columns:
            columns, ticks = Columns("reviewerID", asked.get("item") or "asin", "unixReviewTime", "overall"), 1
        else:
            item = asked.get("item") or ("parent_asin" if "parent_asin" in table.sample.columns else "asin")
            columns, ticks = Columns("user_id", item, "timestamp", "rating"), 1000
    return log_of(
        table,
        columns,
        source="amazon",
        why=why,
        clock=epoch(ticks),
        rename={"verified": "verified", "verified_purchase": "verified"},
        leave_out=("asin", "parent_asin", "reviewTime", "reviewerName", "vote"),
        items=(lambda wanted: read_metadata(meta, wanted)) if meta else None,
        beside=[meta] if meta else [],
        notes=notes,
    )


def read_metadata(file: Path, wanted: Collection[str] | None) -> pl.DataFrame:
    """One row an item: title, categories, brand, price, description. JSON lines, or the Python literals of 2014."""
    rows: dict[str, dict[str, Any]] = {}
    number = 0
    keep = set(wanted) if wanted is not None else None
    for block in text_blocks(file):
        for raw in block[:-1].split(b"\n"):
            number += 1
            if not raw.strip():
                continue
            # A parse of a Python literal costs a millisecond, and most items of a metadata file are in no 5-core log.
            if keep is not None and not any(found.decode() in keep for found in _ID.findall(raw)):
                continue
            record = parse_line(raw.decode("utf-8", errors="replace"), file, number)
            item = str(record.get("parent_asin") or record.get("asin") or "")
            if keep is not None and item not in keep and str(record.get("asin")) in keep:
                item = str(record["asin"])
            if item and item not in rows:
                rows[item] = {"item_id": item, **_facts(record)}
    words = dict.fromkeys(("item_id", "title", "brand", "description"), pl.String)
    schema: dict[str, Any] = words | {"categories": pl.List(pl.String), "price": pl.Float64}
    return pl.DataFrame(list(rows.values()), schema=schema)


def _facts(record: Mapping[str, Any]) -> dict[str, Any]:
    """The common facts of the three releases."""
    paths = record.get("categories") or record.get("category") or []
    if paths and isinstance(paths[0], list):  # 2014: several paths from the root
        paths = [name for path in paths for name in path]
    description = record.get("description") or ""
    return {
        "title": str(record["title"]).strip() if record.get("title") else None,
        "categories": list(dict.fromkeys(str(name) for name in paths)) if isinstance(paths, list) else [str(paths)],
        "brand": str(record.get("brand") or record.get("store") or "").strip() or None,
        "price": _price(record.get("price")),
        "description": (" ".join(map(str, description)) if isinstance(description, list) else str(description)).strip()
        or None,
    }


def _price(value: Any) -> float | None:
    """'$12.99', 12.99 or a range (its lower end); the HTML that stands in some prices of 2018 is no price."""
    if isinstance(value, int | float):
        return float(value)
    match = re.match(r"\s*\$?\s*([0-9][0-9,]*\.?[0-9]*)", str(value or ""))
    return float(match.group(1).replace(",", "")) if match else None


def _reviews(path: Path) -> Path | None:
    if path.is_file():
        known = path.name.removesuffix(".gz").endswith((*_JSON, ".csv"))
        return path if known and not path.name.startswith("meta_") else None
    found = [file for file in sorted(path.iterdir()) if _is_json(file) and not file.name.startswith("meta_")]
    return found[0] if len(found) == 1 else None


def _is_json(file: Path) -> bool:
    return file.name.removesuffix(".gz").endswith(_JSON)


def _metadata(file: Path) -> Path | None:
    """meta_Beauty.json.gz for reviews_Beauty_5.json.gz, Beauty_5.json.gz, Beauty.jsonl.gz or ratings_Beauty.csv."""
    name = file.name.split(".")[0].removeprefix("reviews_").removeprefix("ratings_")
    name = re.sub(r"_\d+$", "", name)
    for suffix in (".json.gz", ".jsonl.gz", ".json", ".jsonl"):
        if (file.parent / f"meta_{name}{suffix}").is_file():
            return file.parent / f"meta_{name}{suffix}"
    return None


def _ratings_only(file: Path) -> tuple[Delimited, Columns, int]:
    """user,item,rating,time (2014), item,user,rating,time (2018) or with a header (2023)."""
    lines = [line for line in first_lines(file, 20) if line.strip()]
    first = split_line(lines[0], ",")
    if "user_id" in first:
        item = "parent_asin" if "parent_asin" in first else "asin"
        return Delimited([file], first, ",", header=True), Columns("user_id", item, "timestamp", "rating"), 1000
    rows = [split_line(line, ",") for line in lines]
    swapped = sum(len(row[0].strip()) == 10 for row in rows) > sum(
        len(row[1].strip()) == 10 for row in rows if len(row) > 1
    )
    names = ("asin", "user", "rating", "time") if swapped else ("user", "asin", "rating", "time")
    return Delimited([file], names, ",", header=False), Columns("user", "asin", "time", "rating"), 1
