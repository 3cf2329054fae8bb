"""The hard cases of what people have: parts, partitions, databases, workbooks and arrays that are odd or broken."""

import gzip
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest

from data.logs import events_of
from segue.core.errors import DataError
from segue.data.open import open_dataset
from segue.data.preparation import Preparation
from segue.data.prepare import prepare
from segue.data.sources import open_log

EVENTS = sorted((f"u{i % 4}", f"i{i % 5}", 1_700_000_000 + i) for i in range(12))
ROWS = pl.DataFrame(
    [(f"u{i % 4}", f"i{i % 5}", 1_700_000_000 + i) for i in range(12)], ["user", "item", "time"], orient="row"
)
FIRST, LAST = ROWS[:6], ROWS[6:]
TUPLES = ROWS.rows()


def read(path, out, **settings):
    return prepare(Preparation.parse({"path": str(path), **settings}), out)


def events(path, **settings):
    """The events that a path is read as; what is made lies outside of the folder that is read."""
    found = Path(str(path).partition("::")[0].partition("*")[0])
    out = next(part for part in (found, *found.parents) if part.name.startswith("test_")) / f".out{os.urandom(4).hex()}"
    return sorted(events_of(read(path, out, **settings)))


def refused(path, match, **settings):
    with pytest.raises(DataError, match=match):
        open_and_read(path, **settings)


def open_and_read(path, **settings):
    preparation = Preparation.parse({"path": str(path), **settings})
    raw = open_log(Path(preparation.path), preparation.asked, preparation.source)
    return list(raw.read([], 1000))


def put(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def parts(folder, first=FIRST, last=LAST, name="parquet"):
    folder.mkdir(exist_ok=True)
    writers = {"parquet": "write_parquet", "csv": "write_csv", "jsonl": "write_ndjson", "feather": "write_ipc"}
    for i, frame in enumerate((first, last)):
        getattr(frame, writers[name])(folder / f"part-{i}.{name}")
    return folder


class TestFolders:
    @pytest.mark.parametrize("name", ["parquet", "csv", "jsonl", "feather"])
    def test_files_of_one_form_are_one_log(self, tmp_path, name):
        folder = parts(tmp_path / "log", name=name)
        assert events(folder) == events(f"{folder}/*.{name}") == events(f"{folder}/part-*") == EVENTS

    def test_packed_text_too(self, tmp_path):
        for i, frame in enumerate((FIRST, LAST)):
            put(tmp_path / "log" / f"{i}.csv.gz", gzip.compress(frame.write_csv().encode()))
        assert events(tmp_path / "log") == EVENTS

    def test_what_spark_writes_beside_is_no_table(self, tmp_path):
        folder = parts(tmp_path / "log")
        for name in ("_SUCCESS", ".part-0.parquet.crc", "._part-0.parquet", "_temporary/0.parquet", "README.md"):
            put(folder / name, b"?")
        assert events(folder) == events(f"{folder}/*") == EVENTS

    @pytest.mark.parametrize("name", ["parquet", "csv"])
    @pytest.mark.parametrize("place", [0, 1])
    def test_a_part_without_rows_says_nothing(self, tmp_path, name, place):
        empty = ROWS[:0] if name == "csv" else ROWS[:0].with_columns(pl.col("time").cast(pl.Null))
        folder = parts(tmp_path / "log", *((empty, ROWS) if place == 0 else (ROWS, empty)), name=name)
        assert events(folder) == EVENTS

    def test_a_part_of_no_bytes_says_nothing(self, tmp_path):
        folder = parts(tmp_path / "log", name="csv")
        put(folder / "part-00.csv", b"")
        assert events(folder) == EVENTS
        put(tmp_path / "none" / "0.csv", b"")
        put(tmp_path / "none" / "1.csv", b" \n")
        refused(tmp_path / "none", "all 2 files are empty")

    def test_files_come_in_the_order_of_their_numbers(self, tmp_path):
        for i in range(12):
            put(tmp_path / "log" / f"part-{i}.csv", ROWS[i : i + 1].with_columns(user=pl.lit("u")).write_csv())
        dataset = read(tmp_path / "log", tmp_path / "out", time="none")
        assert [item for _, item, _ in events_of(dataset)] == ROWS["item"].to_list()

    def test_the_columns_of_a_file_may_stand_in_another_order(self, tmp_path):
        folder = parts(tmp_path / "log", FIRST, LAST.select("time", "item", "user"), name="csv")
        assert events(folder) == EVENTS

    def test_other_columns_are_named(self, tmp_path):
        folder = parts(tmp_path / "log", FIRST, LAST.rename({"time": "when"}))
        refused(
            folder, r"several tables \(part-0.parquet, part-1.parquet\).*part-1.parquet lacks time and has when besides"
        )
        refused(f"{folder}/*.parquet", "lacks time and has when besides")

    def test_a_file_that_was_cut_into_pieces_is_told(self, tmp_path):
        put(tmp_path / "log" / "aa.csv", FIRST.write_csv())
        put(tmp_path / "log" / "ab.csv", LAST.write_csv(include_header=False))
        refused(tmp_path / "log", r"ab.csv has none of the columns of .*aa.csv \(user, item, time\)")

    @pytest.mark.parametrize(
        ("names", "how"),
        [
            (["log.csv", "log.parquet"], "of several forms: .csv, .parquet"),
            (["log.csv", "old/log.csv"], "in it and in folders in it"),
            (["log.csv", "log.csv.gz"], "log.csv is there a second time as .gz"),
        ],
    )
    def test_one_log_that_lies_there_twice_is_not_counted_twice(self, tmp_path, names, how):
        for name in names:
            text = ROWS.write_csv().encode()
            put(tmp_path / "log" / name, gzip.compress(text) if name.endswith(".gz") else text)
        if "log.parquet" in names:
            ROWS.write_parquet(tmp_path / "log" / "log.parquet")
        refused(tmp_path / "log", f"several tables .*{how}")

    @pytest.mark.parametrize("unit", ["ms", "us", "ns"])
    def test_times_of_another_unit_are_the_same_times(self, tmp_path, unit):
        dates = [part.with_columns(pl.from_epoch("time").cast(pl.Datetime("us"))) for part in (FIRST, LAST)]
        folder = parts(tmp_path / "log", dates[0], dates[1].with_columns(pl.col("time").cast(pl.Datetime(unit))))
        assert events(folder) == EVENTS

    def test_dates_and_numbers_are_not_one_column(self, tmp_path):
        folder = parts(tmp_path / "log", FIRST.with_columns(pl.from_epoch("time")), LAST)
        refused(folder, "the column 'time' is of type Int64, and of type Datetime")

    def test_ids_of_another_type_are_the_same_ids(self, tmp_path):
        numbered = ROWS.with_columns(pl.col("user").str.slice(1).cast(pl.Int64))
        folder = parts(tmp_path / "log", numbered[:6], numbered[6:].with_columns(pl.col("user").cast(pl.Float64)))
        assert events(folder) == [(user[1:], item, time) for user, item, time in EVENTS]

    def test_a_field_of_json_may_be_left_out(self, tmp_path):
        put(tmp_path / "log" / "a.jsonl", '{"user":1,"item":2,"time":3,"tag":"x"}\n{"user":1,"item":3,"time":4}\n')
        put(tmp_path / "log" / "b.jsonl", '{"user":1,"item":2,"time":5,"more":6}\n')
        assert events(tmp_path / "log") == [("1", "2", 3), ("1", "2", 5), ("1", "3", 4)]
        assert "fields that a.jsonl has not were left out: more" in open_log(tmp_path / "log").notes
        put(tmp_path / "log" / "c.jsonl", '{"user":1,"item":2,"when":5}\n')
        refused(tmp_path / "log", "c.jsonl lacks time")

    def test_the_only_database_or_workbook_is_the_log(self, tmp_path):
        sqlite(tmp_path / "log" / "shop.sqlite")
        assert events(tmp_path / "log") == EVENTS

    def test_a_folder_without_a_table_says_what_it_has(self, tmp_path):
        put(tmp_path / "log" / "log.pkl", b"?")
        refused(tmp_path / "log", r"a folder with no table \(it has log.pkl\)")

    def test_a_catalog_beside_a_partitioned_log_is_found(self, tmp_path):
        put(tmp_path / "log" / "day=1" / "0.csv", ROWS.write_csv())
        put(tmp_path / "log" / "items.csv", "item,title\ni0,Zero\ni1,One\n")
        assert read(tmp_path / "log", tmp_path / "out").catalog.table["title"].to_list()[:2] == ["Zero", "One"]


class TestPartitions:
    @pytest.mark.parametrize("name", ["parquet", "csv"])
    def test_what_folders_say_is_a_column_of_text(self, tmp_path, name):
        for day, frame in (("2023-09", FIRST), ("2023-10", LAST)):
            folder = tmp_path / "log" / f"day={day}"
            folder.mkdir(parents=True)
            frame.write_csv(folder / "0.csv") if name == "csv" else frame.write_parquet(folder / "0.parquet")
        dataset = read(tmp_path / "log", tmp_path / "out", positive="day == '2023-10'")
        assert sorted(events_of(dataset)) == sorted(LAST.rows())
        assert read(tmp_path / "log", tmp_path / "all").log.columns.keys() == {"day"}

    def test_they_are_known_for_a_pattern_and_for_one_partition(self, tmp_path):
        for day, frame in (("1", FIRST), ("2", LAST)):
            put(tmp_path / "log" / "country=de" / f"day={day}" / "0.csv", frame.write_csv())
        pattern = f"{tmp_path}/log/*/day=1"
        assert open_log(Path(pattern)).further.keys() == {"country", "day"}
        assert events(pattern) == events(tmp_path / "log" / "country=de" / "day=1") == sorted(FIRST.rows())
        assert events(f"{tmp_path}/log/**") == events(f"{tmp_path}/log/**/*.csv") == EVENTS

    def test_they_may_be_the_user_or_the_time(self, tmp_path):
        for user, part in ROWS.group_by("user"):
            put(tmp_path / "users" / f"user={user[0]}" / "0.csv", part.drop("user").write_csv())
        assert events(tmp_path / "users") == EVENTS
        for day in ("01", "02"):
            put(tmp_path / "days" / f"date=2023-11-{day}" / "0.csv", "user,item\nu,i\n")
        assert events(tmp_path / "days") == [("u", "i", 1_698_796_800), ("u", "i", 1_698_883_200)]

    def test_missing_values_and_signs_are_written_as_hive_does(self, tmp_path):
        for value, frame in (("__HIVE_DEFAULT_PARTITION__", FIRST), ("a%2Fb", LAST)):
            put(tmp_path / "log" / f"tag={value}" / "0.csv", frame.write_csv())
        assert sorted(events_of(read(tmp_path / "log", tmp_path / "out", positive="tag == 'a/b'"))) == sorted(
            LAST.rows()
        )

    def test_folders_that_name_different_things_are_no_log(self, tmp_path):
        put(tmp_path / "log" / "day=1" / "0.csv", FIRST.write_csv())
        put(tmp_path / "log" / "week=1" / "0.csv", LAST.write_csv())
        refused(tmp_path / "log", "week=1/0.csv: its folders name week, and those of .*day=1/0.csv day")


class TestPaths:
    @pytest.mark.parametrize("folder", ["log [2024]", "what?", "a*b", "log::events", "50%"])
    @pytest.mark.parametrize("name", ["parquet", "csv", "jsonl", "feather"])
    def test_signs_in_names_are_letters_where_the_path_exists(self, tmp_path, folder, name):
        where = parts(tmp_path / folder, ROWS, ROWS[:0] if name != "jsonl" else ROWS, name=name)
        out = tmp_path / "out"
        assert sorted(events_of(read(where / f"part-0.{name}", out))) == EVENTS

    @pytest.mark.parametrize(
        ("path", "match"),
        [
            ("evnets.csv", r"does not exist; did you mean 'events.csv'\?"),
            ("*.parquet", "no file fits this pattern. .* has: events.csv"),
            ("nowhere/*.csv", "no file fits this pattern. There is no folder .*nowhere"),
            ("**x/*.csv", "is no pattern that can be used"),
            ("events.csv::more", "no database or workbook, so there is no table 'more'"),
            ("none.db::more", r"none.db does not exist"),
            ("x" * 300, "cannot be looked at"),
            ("a\0b", "does not exist"),
        ],
    )
    def test_what_is_not_there_is_told_with_what_is_near(self, tmp_path, path, match):
        put(tmp_path / "events.csv", ROWS.write_csv())
        refused(tmp_path / path, match)

    def test_a_device_is_no_file(self):
        refused("/dev/null", "/dev/null is no regular file")

    def test_a_family_reads_no_pattern(self, tmp_path):
        put(tmp_path / "events.csv", ROWS.write_csv())
        refused(f"{tmp_path}/*.csv", "source=taobao reads a file or a folder", source="taobao")

    @pytest.mark.parametrize(
        ("name", "how"),
        [
            ("log.pickle", r"pandas.read_pickle\('log.pickle'\).to_parquet"),
            ("log.RData", r"in R: load\('log.RData'\)"),
            ("log.rds", r"in R: readRDS\('log.rds'\)"),
            ("log.mat", r"scipy.io.loadmat\('log.mat'\)"),
            ("log.csv.zip", "unzip 'log.csv.zip'"),
            ("log.tar.gz", "tar -xf 'log.tar.gz'"),
            ("log.parquet.gz", "gunzip 'log.parquet.gz'"),
            ("log", "a name without an extension does not say its form"),
        ],
    )
    def test_another_form_is_answered_with_the_way_to_convert_it(self, tmp_path, name, how):
        refused(put(tmp_path / name, b"?" * 99), how)


def sqlite(file, table="create table events(user, item, time)", rows=TUPLES):
    file.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(file) as connection:
        connection.executescript(table)
        connection.executemany(f"insert into events values ({', '.join('?' * len(rows[0]))})", rows)
    connection.close()
    return file


def duck(file, *queries):
    with duckdb.connect(str(file)) as connection:
        for query in queries:
            connection.execute(query)
    return file


ONE = "create table events as select 'u' as user, 'i' as item, 1700000000 as time"


class TestDatabases:
    def test_the_only_table_is_the_log_and_another_is_named(self, tmp_path):
        file = sqlite(tmp_path / "shop.sqlite")
        assert events(file) == events(f"{file}::events") == EVENTS
        sqlite3.connect(file).execute(
            "create view late as select * from events where time > 1700000005"
        ).connection.close()
        refused(file, "which table holds the interactions. it has: events, late. Name it: .*shop.sqlite::events")
        refused(f"{file}::event", "there is no table 'event'; did you mean 'events'")
        assert events(f"{file}::late") == sorted(LAST.rows())

    def test_duckdb_too_with_schemas(self, tmp_path):
        file = duck(tmp_path / "shop.duckdb", ONE)
        assert events(file) == [("u", "i", 1_700_000_000)]
        duck(file, "create schema web", ONE.replace("events", "web.events").replace("'u'", "'w'"))
        refused(file, "it has: events, web.events")
        assert events(f"{file}::web.events") == [("w", "i", 1_700_000_000)]

    def test_the_first_bytes_and_not_the_name_say_which_kind_it_is(self, tmp_path):
        assert events(sqlite(tmp_path / "a.duckdb")) == EVENTS
        assert events(duck(tmp_path / "b.db", ONE)) == [("u", "i", 1_700_000_000)]

    def test_values_of_sqlite_are_exact_and_mixed_ones_text(self, tmp_path):
        wide = [(2**53 + 1, 2**63 - 1, 1), (2**53 + 2, -(2**63), 2), ("x", 7.0, 3), (7, 7, 4), (7.5, "7", 5)]
        assert events(sqlite(tmp_path / "a.db", rows=wide)) == sorted(
            [
                ("9007199254740993", "9223372036854775807", 1),
                ("9007199254740994", "-9223372036854775808", 2),
                *[("x", "7", 3), ("7", "7", 4), ("7.5", "7", 5)],
            ]
        )

    def test_an_id_is_the_same_in_every_batch(self, tmp_path):
        rows = [(i % 7, 1, 1_700_000_000 + i) for i in range(3000)] + [("a", 1, 1_700_009_999), (3.0, 1, 1_700_010_000)]
        dataset = read(sqlite(tmp_path / "a.db", rows=rows), tmp_path / "out", memory_gb=0.0001)
        assert set(dataset.log.users["user_id"]) == {*map(str, range(7)), "a"}

    @pytest.mark.parametrize("rowid", ["note", "rowid"])
    def test_rows_of_sqlite_come_as_they_were_written_not_as_an_index_has_them(self, tmp_path, rowid):
        table = f'create table events(user, item, time, "{rowid}"); create index x on events(item, user, time)'
        rows = [("u", f"i{9 - i}", 5, "x" * 2000) for i in range(9)]
        file = sqlite(tmp_path / "a.db", table, rows)
        assert [item for _, item, _ in events_of(read(file, tmp_path / "out"))] == [row[1] for row in rows]

    def test_rows_of_duckdb_come_as_they_were_written(self, tmp_path):
        file = duck(
            tmp_path / "a.duckdb",
            "create table e as select 'u' as user, (i * 7919) % 50021 as item from range(50000) t(i)",
        )
        items = [item for _, item, _ in events_of(read(file, tmp_path / "out"))]
        assert items == [str(i * 7919 % 50021) for i in range(50000)]

    def test_types_of_duckdb(self, tmp_path):
        query = """create table e as select (9007199254740993 + i)::hugeint as user, uuid() as item,
            make_timestamptz(2024, 1, 1, 0, 0, i) as time, interval 1 day as pause, 0.5::decimal(9, 2) as price,
            'x'::enum('x', 'y') as kind, map {'a': 1} as facts, [1] as list from range(2) t(i)"""
        raw = open_log(duck(tmp_path / "a.duckdb", "set timezone = 'Asia/Tokyo'", query))
        assert {name: kind for name, kind in raw.further.items() if name in ("price", "kind")} == {
            "price": "number",
            "kind": "word",
        }
        batch = pl.concat(raw.read(["price", "kind"], 10))
        assert batch["user_id"].to_list() == ["9007199254740993", "9007199254740994"]
        assert [time // raw.ticks for time in batch["time"]] == [1_704_034_800 - 0, 1_704_034_801]

    def test_changes_that_are_not_yet_in_the_file_are_read_and_make_it_another(self, tmp_path):
        file = tmp_path / "a.db"
        connection = sqlite3.connect(file)
        connection.executescript("pragma journal_mode = wal; create table events(user, item, time)")
        connection.executemany("insert into events values (?, ?, ?)", ROWS.rows())
        connection.commit()
        connection.execute("pragma wal_checkpoint(truncate)")
        before = open_dataset(Preparation(path=str(file)), tmp_path / "cache")
        connection.execute("insert into events values ('new', 'i0', 1700000100)")
        connection.commit()
        after = open_dataset(Preparation(path=str(file)), tmp_path / "cache")
        connection.close()
        assert (len(before.log), len(after.log)) == (12, 13)

    def test_bytes_that_are_no_text_are_no_ids(self, tmp_path):
        refused(sqlite(tmp_path / "a.db", rows=[(b"\xff", 1, 2), ("a", 1, 3)]), "column 'user': bytes that are no text")
        refused(sqlite(tmp_path / "b.db", rows=[(b"\xff", 1, 2)]), "binary values that are not text")
        file = sqlite(tmp_path / "c.db")
        sqlite3.connect(file, isolation_level=None).execute(
            "update events set user = cast(x'ff41' as text)"
        ).connection.close()
        refused(file, "has text that is not UTF-8")

    @pytest.mark.parametrize(
        ("content", "match"),
        [(b"", "is empty"), (b"?" * 5000, "no database of SQLite or DuckDB, or it is encrypted")],
    )
    def test_what_is_no_database_is_told(self, tmp_path, content, match):
        refused(put(tmp_path / "a.db", content), match)
        refused(put(tmp_path / "a.duckdb", content), match)

    def test_a_table_without_rows_and_a_database_without_tables_are_told(self, tmp_path):
        sqlite3.connect(tmp_path / "a.db").execute("create table events(user, item, time)").connection.close()
        refused(tmp_path / "a.db", "a.db::events has no rows")
        refused(duck(tmp_path / "a.duckdb", "create table e(user int, item int)"), "a.duckdb::e has no rows")
        refused(duck(tmp_path / "b.duckdb"), "it has none")

    def test_a_damaged_database_is_told(self, tmp_path):
        file = sqlite(tmp_path / "a.db", rows=[(f"u{i % 50}", f"i{i % 90}", 1_700_000_000 + i) for i in range(5000)])
        whole = file.read_bytes()
        put(file, whole[:20000] + b"\x5a" * 20000 + whole[40000:])
        refused(file, "could not be read as a database.*Is it whole")
        put(file, whole[:20000])
        refused(file, "could not be read as a database.*Is it whole")
        file = duck(tmp_path / "a.duckdb", "create table e as select i as user, i as item from range(100000) t(i)")
        whole = file.read_bytes()
        put(file, whole[:270_000] + b"\x5a" * (len(whole) - 270_000))
        refused(file, "could not be read as a database|corrupt")

    def test_an_encrypted_database_is_told(self, tmp_path):
        file = tmp_path / "a.duckdb"
        with duckdb.connect(config={"force_mbedtls_unsafe": "true"}) as connection:
            connection.execute(f"attach '{file}' as a (encryption_key 'secret')")
            connection.execute("create table a.e as select 1 as user, 2 as item")
        refused(file, "is encrypted")

    def test_a_database_that_is_in_use_is_told(self, tmp_path):
        file = duck(tmp_path / "a.duckdb", ONE)
        hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('up', flush=True); sys.stdin.read()"
        with subprocess.Popen(
            [sys.executable, "-c", hold, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other:
            assert other.stdout.readline()
            refused(file, "is in use by another program")
            other.stdin.close()
        assert events(file) == [("u", "i", 1_700_000_000)]

    def test_nothing_is_written_beside_or_into_it(self, tmp_path):
        for file in (sqlite(tmp_path / "a" / "a.db"), duck(tmp_path / "b.duckdb", ONE)):
            before, around = file.read_bytes(), sorted(file.parent.iterdir())
            open_and_read(file)
            assert (file.read_bytes(), sorted(file.parent.iterdir())) == (before, around)


OBJECTS = [{"user": user, "item": item, "time": time} for user, item, time in ROWS.iter_rows()]


class TestArrays:
    @pytest.mark.parametrize(
        "text",
        [json.dumps(OBJECTS), json.dumps(OBJECTS, indent=2), "\ufeff \n" + json.dumps(OBJECTS) + "\n\n"],
        ids=["a line", "lines", "blanks"],
    )
    def test_an_array_of_objects_is_a_log(self, tmp_path, text):
        put(tmp_path / "packed.json.gz", gzip.compress(text.encode()))
        assert events(put(tmp_path / "log.json", text)) == events(tmp_path / "packed.json.gz") == EVENTS
        assert events(put(tmp_path / "log.jsonl", text)) == EVENTS

    def test_ids_are_exact_and_fields_may_be_left_out(self, tmp_path):
        objects = [
            {"user": 2**53 + 1, "item": 2**64 + 1, "time": 1},
            {"user": "007", "item": 'b"\n', "time": 2},
            {"item": 1},
        ]
        assert events(put(tmp_path / "a.json", json.dumps(objects))) == [
            ("007", 'b"', 2), ("9007199254740993", "18446744073709551617", 1),
        ]  # fmt: skip

    @pytest.mark.parametrize("end", ["", ", ", ',{"user": "u", "it'])
    def test_an_array_that_was_cut_is_refused(self, tmp_path, end):
        refused(put(tmp_path / "a.json", json.dumps(OBJECTS)[:-1] + end), "the array has no end|not valid JSON")
        large = json.dumps(OBJECTS * 3000)[:-1] + end
        refused(put(tmp_path / "b.json", large), "the array has no end")
        refused(put(tmp_path / "b.json.gz", gzip.compress(large.encode())), "the array has no end")

    @pytest.mark.parametrize(
        ("text", "match"),
        [
            ("[]", "the array is empty"),
            ("[1, 2]", "object 1: expected an object, found 1"),
            ('[["u", "i"]]', "object 1: expected an object"),
            ('[{"user": "a", "item": "b"}, null]', "object 2: expected an object, found None"),
            (json.dumps(OBJECTS) + "]", "expected JSON objects|valid JSON"),
            (json.dumps(OBJECTS)[:-1] + ",]", "expected JSON objects|valid JSON"),
            ('[{"user": "\\ud800", "item": "b"}]', "object 1: half a letter"),
            ('[{"user": {"id": 1}, "item": "b"}]', "object 1, column 'user': .* is no id"),
            ("[" * 100_000, "too deeply nested"),
            ('[{"user": "a", "item": "b", "z": ' + "[" * 100_000 + "]" * 100_000 + "}]", "too deeply nested"),
            (
                json.dumps({"events": OBJECTS}),
                r"'events' is a list; a log is the list itself.*jq -c '.\[\"events\"\]\[\]'",
            ),
            (json.dumps({"n": 1, "events": OBJECTS}, indent=1), "'events' is a list"),
            (json.dumps({"events": OBJECTS * 3000}), "'events' is a list"),
            (pd.DataFrame(OBJECTS).to_json(), "one object, and a log is a list of objects.*orient='records'"),
            (pd.DataFrame(OBJECTS).to_json(orient="split"), "one object, and a log is a list of objects"),
            ('[{"user": "é", "item": "b"}]'.encode("latin1"), "0xe9 is not UTF-8"),
        ],
    )
    def test_what_is_no_array_of_events_is_refused(self, tmp_path, text, match):
        refused(put(tmp_path / "a.json", text), match)

    def test_a_wrong_value_far_behind_is_shown_with_its_object(self, tmp_path):
        objects = [*OBJECTS * 500, {"user": "u", "item": "i", "time": "yesterday"}]
        refused(put(tmp_path / "a.json", json.dumps(objects)), "object 6001, column 'time': 'yesterday'")

    def test_one_object_with_one_event_is_a_log(self, tmp_path):
        assert events(put(tmp_path / "a.json", json.dumps(OBJECTS[0]))) == [("u0", "i0", 1_700_000_000)]

    def test_baskets_with_lists_of_objects_are_lines(self, tmp_path):
        lines = [{"user": "u", "item": f"i{k}", "time": k, "parts": [{"n": 1}]} for k in (1, 2)]
        assert len(events(put(tmp_path / "a.json", "\n".join(map(json.dumps, lines))))) == 2


class TestArrow:
    @pytest.mark.parametrize("suffix", [".feather", ".arrow", ".ipc"])
    @pytest.mark.parametrize("stream", [False, True])
    def test_files_and_streams_keep_their_types(self, tmp_path, suffix, stream):
        typed = ROWS.with_columns(
            pl.from_epoch("time").cast(pl.Datetime("ns", "Asia/Tokyo")), pl.col("user").cast(pl.Categorical)
        )
        file = tmp_path / f"log{suffix}"
        typed.write_ipc_stream(file) if stream else typed.write_ipc(file, compression="lz4")
        assert events(file) == EVENTS

    @pytest.mark.parametrize("stream", [False, True])
    def test_what_was_cut_or_is_none_is_refused(self, tmp_path, stream):
        file = tmp_path / "log.arrow"
        ROWS.write_ipc_stream(file) if stream else ROWS.write_ipc(file)
        refused(put(file, file.read_bytes()[:400]), "could not be read as an Arrow .*Is the file whole")
        refused(put(file, b"\x07" * 400), "could not be read as an Arrow .*Is the file whole")


def book(file, **sheets):
    with pd.ExcelWriter(file) as writer:
        for name, frame in sheets.items():
            frame.to_excel(writer, sheet_name=name, index=False)
    return file


SHEET = pd.DataFrame({
    "user": [1, None, 3, 1], "item": ["007", "b", "c", "d"],
    "when": pd.to_datetime(["2024-01-01T10:00:00", "2024-01-02T00:00:00", "2024-01-03T12:30:15", "2024-01-04T00:00"],
                           format="ISO8601"),
})  # fmt: skip
IN_IT = [("1", "007", 1_704_103_200), ("1", "d", 1_704_326_400), ("3", "c", 1_704_285_015)]


class TestWorkbooks:
    def test_a_sheet_is_a_log_with_dates_and_with_ids_that_were_made_floats(self, tmp_path):
        assert events(book(tmp_path / "a.xlsx", Log=SHEET)) == IN_IT

    def test_the_index_of_pandas_is_no_fact(self, tmp_path):
        SHEET.to_excel(tmp_path / "a.xlsx")
        assert open_log(tmp_path / "a.xlsx").further == {}
        assert events(tmp_path / "a.xlsx") == IN_IT

    def test_empty_sheets_do_not_count_and_among_others_one_is_named(self, tmp_path):
        assert events(book(tmp_path / "a.xlsx", Empty=pd.DataFrame(), Log=SHEET)) == IN_IT
        file = book(tmp_path / "b.xlsx", Log=SHEET, Empty=pd.DataFrame(), Other=SHEET)
        refused(file, "which sheet holds the interactions. It has: Log, Other")
        refused(f"{file}::Lgo", "there is no sheet 'Lgo'; did you mean 'Log'")
        refused(f"{file}::Empty", "b.xlsx::Empty has no rows")
        assert events(f"{file}::Log") == IN_IT

    def test_ids_that_become_words_far_below_are_not_lost(self, tmp_path):
        frame = pd.DataFrame({"user": [*range(1500), "abc"], "item": 7, "time": range(1, 1502)})
        assert {user for user, _, _ in events(book(tmp_path / "a.xlsx", Log=frame))} == {*map(str, range(1500)), "abc"}

    def test_ids_that_a_workbook_has_rounded_are_refused(self, tmp_path):
        frame = pd.DataFrame({"user": [1234567890123456789, 2], "item": ["a", "b"]})
        refused(book(tmp_path / "a.xlsx", Log=frame), "column 'user': ids of more than 15 digits")
        assert events(book(tmp_path / "b.xlsx", Log=frame.astype(str)))[0][0] == "1234567890123456789"

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + b"?" * 99, b"user,item\na,b\n"])
    def test_what_is_no_workbook_is_told(self, tmp_path, content):
        refused(put(tmp_path / "a.xlsx", content), "could not be read as a workbook: .*Is it whole")

    def test_without_the_extra_it_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "fastexcel", None)
        with pytest.raises(ImportError, match=r"pip install 'segue\[excel\]'"):
            open_and_read(book(tmp_path / "a.xlsx", Log=SHEET))
