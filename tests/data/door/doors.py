"""Every way into Segue by which a log of users, items and times comes, and how the tests write a file for each."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

Row = tuple[str, str, int | str]
"""User, item and time: whole Unix seconds, which a door writes in its own unit, or text to be written as it is."""


@dataclass(frozen=True)
class Door:
    """One form of a file.

    `template` is a line with the places {user}, {item} and {time}; `header` the lines above. JSON and Parquet have
    neither. `unit` is the number of ticks of its clock in a second.
    """

    name: str
    file: str
    form: Literal["text", "json", "parquet"] = "text"
    template: str = ""
    header: str = ""
    separator: str = ","
    quoting: bool = False
    source: str = "guess"
    unit: int = 1
    names: tuple[str, str, str] = ("user_id", "item_id", "timestamp")
    further: dict[str, object] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, object]:
        """What the preparation is told, so that a file with odd values is still taken for what it is."""
        return {} if self.source == "guess" else {"source": self.source}

    def time(self, value: int | str) -> str:
        """A time as the file has it."""
        return str(value * self.unit) if isinstance(value, int) else value

    def line(self, place: int) -> int:
        """The line (in Parquet: the data row) of the row at this place, counted from 0."""
        return place + 1 + (self.header != "")

    def text(self, rows: Sequence[Row]) -> str:
        """The contents of a text file or of JSON lines."""
        if self.form == "json":
            return "".join(json.dumps(self._record(row)) + "\n" for row in rows)
        lines = [self.template.format(user=user, item=item, time=self.time(time)) for user, item, time in rows]
        return "\n".join([*([self.header] if self.header else []), *lines]) + "\n"

    def write(self, folder: Path, rows: Sequence[Row], change: Callable[[str], str | bytes] | None = None) -> Path:
        """The file in a folder of its own; `change` may spoil its text first."""
        path = folder / self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.form == "parquet":
            path.write_bytes(self._parquet(rows))
            return path
        text = self.text(rows)
        changed = change(text) if change else text
        content = changed if isinstance(changed, bytes) else changed.encode()
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        return path

    def _record(self, row: Row) -> dict[str, object]:
        user, item, time = row
        written = self.time(time)
        moment = int(written) if isinstance(time, int) or written.isdigit() else (written or None)
        return {**dict(zip(self.names, (user, item, moment), strict=True)), **self.further}

    def _parquet(self, rows: Sequence[Row]) -> bytes:
        users, items, times = zip(*rows, strict=True)
        table = pa.table(
            {
                self.names[0]: pa.array(users, pa.string()),
                self.names[1]: pa.array(items, pa.string()),
                self.names[2]: pa.array([int(self.time(time)) if time != "" else None for time in times], pa.int64()),
            }
        )
        sink = io.BytesIO()
        pq.write_table(table, sink)
        return sink.getvalue()


def _plain(name: str, file: str, separator: str, *, quoting: bool = True) -> Door:
    header = separator.join(("user_id", "item_id", "rating", "timestamp"))
    template = separator.join(("{user}", "{item}", "4.0", "{time}"))
    return Door(name, file, "text", template, header, separator, quoting)


DOORS = (
    _plain("CSV", "log.csv", ","),
    _plain("TSV", "log.tsv", "\t"),
    _plain("text with ;", "log.csv", ";"),
    _plain("text with |", "log.txt", "|"),
    _plain("text with ::", "log.dat", "::", quoting=False),
    _plain("CSV in gzip", "log.csv.gz", ","),
    Door("JSON lines", "log.jsonl", "json"),
    Door("JSON lines in gzip", "log.jsonl.gz", "json"),
    Door("Parquet", "log.parquet", "parquet"),
    Door("folder of Parquet", "data/interactions.parquet", "parquet", source="folder"),
    Door(
        "RecBole",
        "set.inter",
        template="{user}\t{item}\t4\t{time}",
        header="user_id:token\titem_id:token\trating:float\ttimestamp:float",
        separator="\t",
        source="recbole",
    ),
    Door("ratings of Amazon", "ratings_Soap.csv", template="{user},{item},4.0,{time}", source="amazon"),
    Door(
        "reviews of Amazon 2014",
        "reviews_Soap.json.gz",
        "json",
        source="amazon",
        names=("reviewerID", "asin", "unixReviewTime"),
        further={"overall": 4.0},
    ),
    Door(
        "reviews of Amazon 2023",
        "Soap.jsonl",
        "json",
        source="amazon",
        unit=1000,
        names=("user_id", "parent_asin", "timestamp"),
        further={"asin": "B0VARIANT0", "rating": 4.0},
    ),
    Door("MovieLens 100K", "u.data", template="{user}\t{item}\t4\t{time}", separator="\t", source="movielens"),
    Door("MovieLens 1M", "ratings.dat", template="{user}::{item}::4::{time}", separator="::", source="movielens"),
    Door(
        "MovieLens CSV",
        "ratings.csv",
        template="{user},{item},4.0,{time}",
        header="userId,movieId,rating,timestamp",
        source="movielens",
    ),
    Door(
        "KuaiRand",
        "log_standard_4_08_to_4_21_pure.csv",
        template="{user},{item},20220408,1200,{time},1,0",
        header="user_id,video_id,date,hourmin,time_ms,is_click,is_rand",
        source="kuairand",
        unit=1000,
    ),
    Door("Taobao", "UserBehavior.csv", template="{user},{item},77,pv,{time}", source="taobao"),
)
