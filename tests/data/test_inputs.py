"""One log in every form in which people keep logs."""

import datetime as dt
import gzip
import json
import sqlite3
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest

import segue
from data.logs import events_of
from segue.core.errors import DataError, SegueError, SettingsError
from segue.data.cache import clear, kept
from segue.data.open import open_dataset
from segue.data.preparation import Preparation
from segue.data.prepare import prepare
from segue.data.sources import frames

EVENTS = sorted(((f"u{i % 3}", f"00{i % 5}", 1_700_000_000 + i) for i in range(30)), key=lambda e: (e[0], e[2]))
TABLE = pl.DataFrame(EVENTS, schema=["user_id", "item_id", "timestamp"], orient="row")


def events(path: Path, tmp_path: Path, **settings: object) -> list[tuple[str, str, int]]:
    return events_of(prepare(Preparation.parse({"path": str(path), **settings}), tmp_path / "out"))


def write(folder: Path, form: str, table: pl.DataFrame = TABLE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"log.{form}"
    match form:
        case "csv" | "tsv":
            table.write_csv(path, separator="," if form == "csv" else "\t")
        case "csv.gz":
            path.write_bytes(gzip.compress(table.write_csv().encode()))
        case "jsonl":
            table.write_ndjson(path)
        case "json":
            path.write_text(json.dumps(table.to_dicts(), indent=1))
        case "json.gz":
            path.write_bytes(gzip.compress(json.dumps(table.to_dicts()).encode()))
        case "parquet":
            table.write_parquet(path)
        case "feather":
            table.write_ipc(path)
        case "sqlite":
            with sqlite3.connect(path) as base:
                base.execute("create table events (user_id text, item_id text, timestamp integer)")
                base.executemany("insert into events values (?, ?, ?)", table.rows())
            base.close()
        case "duckdb":
            with duckdb.connect(str(path)) as base:
                base.register("rows", table.to_arrow())
                base.sql("create table events as select * from rows")
        case "xlsx":
            table.to_pandas().to_excel(path, index=False)
    return path


FORMS = ("csv", "tsv", "csv.gz", "jsonl", "json", "json.gz", "parquet", "feather", "sqlite", "duckdb", "xlsx")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_log(tmp_path, form):
    assert events(write(tmp_path, form), tmp_path) == EVENTS


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "csv.gz", "json", "feather"])
def test_a_folder_of_parts_is_one_log(tmp_path, form):
    for part in range(12):  # part 10 comes after part 2
        place = write(tmp_path / "parts", form, TABLE[part * 3 : part * 3 + 3] if part < 10 else TABLE[:0].clear())
        if part >= 10 and form in ("csv", "jsonl", "csv.gz", "json"):  # an empty text file has no columns
            place.unlink()
            continue
        place.rename(place.with_name(f"part-{part}.{form}"))
    (tmp_path / "parts" / "_SUCCESS").touch()
    (tmp_path / "parts" / ".part-0.crc").touch()
    assert events(tmp_path / "parts", tmp_path) == EVENTS


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_partitions_are_columns(tmp_path, form):
    for day, part in enumerate((TABLE[:10], TABLE[10:20], TABLE[20:])):
        write(tmp_path / "log" / f"day=2023-11-0{day + 1}", form, part)
    dataset = prepare(
        Preparation(path=str(tmp_path / "log"), positive="day == '2023-11-02'", time="timestamp"), tmp_path / "o"
    )
    assert events_of(dataset) == EVENTS[10:20]
    assert "3 files are read as one log" in dataset.origin["notes"]


def test_a_pattern_chooses_files(tmp_path):
    for part in range(3):
        write(tmp_path, "csv", TABLE[part * 10 : part * 10 + 10]).rename(tmp_path / f"log-{part}.csv")
    assert events(tmp_path / "log-[01].csv", tmp_path) == EVENTS[:20]
    with pytest.raises(DataError, match="no file fits this pattern"):
        events(tmp_path / "lag-*.csv", tmp_path)


def test_files_of_other_columns_are_not_mixed(tmp_path):
    write(tmp_path, "csv").rename(tmp_path / "a.csv")
    TABLE.rename({"item_id": "sku"}).write_csv(tmp_path / "b.csv")
    with pytest.raises(DataError, match=r"b\.csv lacks item_id and has sku besides"):
        events(tmp_path / "*.csv", tmp_path)


def test_a_table_of_a_database_is_named(tmp_path):
    path = write(tmp_path, "sqlite")
    with sqlite3.connect(path) as base:
        base.execute('create table "other ""one""" (a integer)')
    with pytest.raises(DataError, match=r"which table holds the interactions.*events.*::"):
        events(path, tmp_path)
    assert events(Path(f"{path}::events"), tmp_path) == EVENTS
    with pytest.raises(DataError, match="no table 'event'; did you mean 'events'"):
        events(Path(f"{path}::event"), tmp_path)


def test_wide_numbers_of_sqlite_are_exact(tmp_path):
    with sqlite3.connect(tmp_path / "log.db") as base:
        base.execute("create table t (user, item, time)")
        base.executemany("insert into t values (?, ?, ?)", [(2**53 + 1, "a", 5), (2**53, 7, 6), ("x", 7.5, 7)])
    assert events(tmp_path / "log.db", tmp_path) == [
        ("9007199254740993", "a", 5),
        ("9007199254740992", "7", 6),
        ("x", "7.5", 7),
    ]


@pytest.mark.parametrize("form", ["sqlite", "duckdb", "xlsx", "parquet", "feather", "json"])
def test_rubbish_is_an_error(tmp_path, form):
    (tmp_path / f"log.{form}").write_bytes(b"\x00rubbish" * 100)
    with pytest.raises(DataError, match=rf"log\.{form}"):
        events(tmp_path / f"log.{form}", tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n "events": [\n {"user_id": 1}\n]}', "'events' is a list; a log is the list itself"),
        ("[1, 2]", "object 1: expected an object, found 1"),
        ('[{"user_id": 1, "item_id": 2}, {"user_id"', "not valid JSON"),
        ("[" * 100_000, "deeply nested"),
    ],
)
def test_a_json_file_that_is_no_log_says_why(tmp_path, text, message):
    (tmp_path / "log.json").write_text(text)
    with pytest.raises(DataError, match=message):
        events(tmp_path / "log.json", tmp_path)


@pytest.mark.parametrize("suffix", ["pkl", "rds", "zip"])
def test_what_is_not_read_says_how_to_convert_it(tmp_path, suffix):
    (tmp_path / f"log.{suffix}").write_bytes(b"x")
    with pytest.raises(DataError, match=rf"'\.{suffix}' is not known.*(pickle|readRDS|unpack)"):
        events(tmp_path / f"log.{suffix}", tmp_path)


def test_a_path_that_is_not_there_names_its_neighbour(tmp_path):
    write(tmp_path, "csv")
    with pytest.raises(DataError, match=r"lag\.csv does not exist; did you mean 'log\.csv'"):
        events(tmp_path / "lag.csv", tmp_path)


def as_pandas() -> pd.DataFrame:
    return TABLE.to_pandas()


FRAMES = {
    "polars": lambda: TABLE,
    "lazy": lambda: TABLE.lazy(),
    "arrow": lambda: TABLE.to_arrow(),
    "pandas": as_pandas,
    "an index without a name": lambda: as_pandas().sample(frac=1, random_state=0),
    "an index with a name": lambda: as_pandas().set_index("user_id"),
    "categories": lambda: as_pandas().astype({"user_id": "category", "item_id": "category"}),
    "times with a zone": lambda: as_pandas().assign(
        timestamp=lambda t: pd.to_datetime(t["timestamp"], unit="s", utc=True).dt.tz_convert("Asia/Tokyo")
    ),
    "objects": lambda: as_pandas().astype(object),
    "duckdb": lambda: duckdb.from_arrow(TABLE.to_arrow()),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_a_table_in_memory_is_a_log(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("SEGUE_CACHE", str(tmp_path / "cache"))
    plan = segue.experiment("popularity", data=FRAMES[kind]())
    assert sorted(events_of(open_dataset(plan.data, tmp_path / "prepared"))) == sorted(EVENTS)
    again = segue.experiment("popularity", data=FRAMES[kind]())
    assert again.data == plan.data  # the same rows are kept once


def test_numbers_and_words_in_one_pandas_column_are_words(tmp_path):
    table = pd.DataFrame({"user": [1, "x"], "item": [2, 3], "time": [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2)]})
    assert events(frames.kept(table, tmp_path), tmp_path) == [("1", "2", 1_704_067_200), ("x", "3", 1_704_153_600)]


@pytest.mark.parametrize("thing", [5, [1, 2], {"user": [1]}, object()])
def test_anything_else_is_refused_in_words(tmp_path, monkeypatch, thing):
    monkeypatch.setenv("SEGUE_CACHE", str(tmp_path))
    with pytest.raises(SettingsError, match=r"is no log\. Give a path, 'world', or a table"):
        segue.experiment("popularity", data=thing)


def test_the_catalogue_beside_a_log_has_ids_of_the_same_kind(tmp_path):
    (tmp_path / "log.csv").write_text("user,item,time\n1,71.0,5\n1,8.0,6\n")
    (tmp_path / "items.csv").write_text("item,title\n71,Cup\n 8 ,Tea\n")
    dataset = prepare(Preparation(path=str(tmp_path / "log.csv")), tmp_path / "out")
    assert dataset.catalog.table["title"].to_list() == ["Cup", "Tea"]


def test_the_cache_knows_a_log_by_its_contents_alone(tmp_path, monkeypatch):
    import os

    path, cache = write(tmp_path / "in", "csv"), tmp_path / "cache"
    first = open_dataset(Preparation(path=str(path)), cache)
    (path.parent / "notes.csv").write_text("something,else\n")
    open_dataset(Preparation(path=str(path)), cache)
    assert len(kept(cache)) == 1
    stat = path.stat()
    path.write_text(path.read_text().replace("u0,", "u9,"))  # as long as before, and of the same time
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert open_dataset(Preparation(path=str(path)), cache).digest != first.digest
    assert len(kept(cache)) == 2
    monkeypatch.setenv("SEGUE_CACHE_GB", "0.000001")
    write(tmp_path / "other", "csv", TABLE[:9])
    open_dataset(Preparation(path=str(tmp_path / "other" / "log.csv")), cache)
    assert [one.source for one in kept(cache)] == [str(tmp_path / "other" / "log.csv")]
    assert (len(clear(cache, 1.0)), len(clear(cache))) == (0, 1)
    assert kept(cache) == []


@pytest.mark.parametrize("kind", ["a fifo", "a folder without tables"])
def test_what_is_no_file_is_refused(tmp_path, kind):
    import os

    path = tmp_path / "log.csv"
    os.mkfifo(path) if kind == "a fifo" else path.mkdir()
    with pytest.raises(SegueError, match=r"is no regular file|folder with no table"):
        events(path, tmp_path)
