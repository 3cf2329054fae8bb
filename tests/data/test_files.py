import gzip
from pathlib import Path

import polars as pl
import pytest

from data.logs import events_of
from segue.core.errors import DataError
from segue.data.preparation import Preparation
from segue.data.prepare import prepare
from segue.data.sources import files, open_log
from segue.data.sources.columns import choose
from segue.data.sources.times import clock_of


def read(tmp_path, name, content, **settings):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return prepare(Preparation.parse({"path": str(path), **settings}), tmp_path / "out")


LINES = ["userId,movieId,rating,timestamp", "1,10,4.0,1000000000", "1,11,3.5,1000000005", "2,10,5.0,1000000001"]
EXPECTED = [("1", "10", 1_000_000_000), ("1", "11", 1_000_000_005), ("2", "10", 1_000_000_001)]


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::", " "])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("packed", [True, False])
def test_any_separator_with_or_without_header_packed_or_not(tmp_path, separator, header, packed):
    text = "\n".join(line.replace(",", separator) for line in LINES[0 if header else 1 :]) + "\n"
    name, content = ("log.csv.gz", gzip.compress(text.encode())) if packed else ("log.csv", text.encode())
    dataset = read(tmp_path, name, content)
    assert events_of(dataset) == EXPECTED
    assert dataset.log.columns["rating"].tolist() == [4.0, 3.5, 5.0]


@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_windows_files_read_alike(tmp_path, end, mark):
    assert events_of(read(tmp_path, "log.csv", mark + (end.join(LINES) + end).encode())) == EXPECTED


@pytest.mark.parametrize(
    "times",
    [
        ["1000000000", "1000000005", "1000000001"],
        ["1000000000000", "1000000005000", "1000000001000"],
        ["1000000000000000", "1000000005000000", "1000000001000000"],
        ["1000000000000000000", "1000000005000000000", "1000000001000000000"],
        ["1000000000.25", "1000000005.5", "1000000001.0"],
        ["2001-09-09T01:46:40Z", "2001-09-09T01:46:45Z", "2001-09-09T01:46:41Z"],
        ["2001-09-09T03:46:40+02:00", "2001-09-09T01:46:45+00:00", "2001-09-09T00:46:41-01:00"],
        ["2001-09-09 01:46:40", "2001-09-09 01:46:45.5", "2001-09-09 01:46:41"],
        ["2001/09/09 01:46:40", "2001/09/09 01:46:45", "2001/09/09 01:46:41"],
        ["Sun Sep 09 01:46:40 +0000 2001", "Sun Sep 09 01:46:45 +0000 2001", "Sun Sep 09 01:46:41 +0000 2001"],
    ],
)
def test_times_in_every_usual_form_are_the_same_seconds(tmp_path, times):
    rows = [f"{user},{item},{time}" for (user, item, _), time in zip(EXPECTED, times, strict=True)]
    assert events_of(read(tmp_path, "log.csv", "user,item,time\n" + "\n".join(rows))) == EXPECTED


def test_days_are_midnights_in_utc(tmp_path):
    assert events_of(read(tmp_path, "log.csv", "user,item,date\n1,a,1970-01-03\n1,b,1970-01-02\n")) == [
        ("1", "b", 86_400),
        ("1", "a", 172_800),
    ]


def test_ids_are_never_numbers(tmp_path):
    rows = [f"{i},{i}" for i in range(1500)] + ["007,7", "7,007", "1e3,1.0"]
    found = events_of(read(tmp_path, "log.csv", "user,item\n" + "\n".join(rows)))
    assert [(user, item) for user, item, _ in found if len({user, item} & {"007", "7", "1e3"}) > 0] == [
        ("7", "7"),
        ("7", "007"),
        ("007", "7"),
        ("1e3", "1.0"),
    ]


def test_without_time_the_rows_are_in_order(tmp_path):
    dataset = read(tmp_path, "log.csv", "user,item\n1,c\n1,a\n1,b\n")
    assert [item for _, item, _ in events_of(dataset)] == ["c", "a", "b"]
    assert dataset.log.timestamps is None


def test_the_only_column_with_dates_is_the_time_whatever_its_name(tmp_path):
    dataset = read(tmp_path, "log.csv", "user,item,bought on\n1,c,2024-01-02\n1,a,2024-01-01\n")
    assert events_of(dataset) == [("1", "a", 1_704_067_200), ("1", "c", 1_704_153_600)]
    assert {"column": "bought on", "role": "time", "why": "the only column with dates"} in dataset.origin["columns"]


def test_columns_can_be_named(tmp_path):
    text = "who,what,when_it_was,place\nann,cup,1000000000,3\nann,tea,1000000009,1\n"
    asked = {"user": "who", "item": "what", "time": "when_it_was"}
    assert [item for _, item, _ in events_of(read(tmp_path, "log.csv", text, **asked))] == ["cup", "tea"]
    by_place = prepare(Preparation(path=str(tmp_path / "log.csv"), **asked, order="place"), tmp_path / "placed")
    assert [item for _, item, _ in events_of(by_place)] == ["tea", "cup"]
    assert any("the time goes back" in note for note in by_place.origin["notes"])


def test_quoted_fields_may_hold_the_separator(tmp_path):
    dataset = read(tmp_path, "log.csv", 'user,item,time\n"Doe, Jane","a ""b""",1000000000\n')
    assert events_of(dataset) == [("Doe, Jane", 'a "b"', 1_000_000_000)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("log.csv", "", r"log\.csv is empty"),
        ("log.csv", "user,item,time\n", r"a header and no rows"),
        ("log.csv", "justoneword\nagain\n", r"line 1: found one column in 'justoneword'"),
        (
            "log.csv",
            "alpha,beta,gamma,delta,epsilon,zeta,eta\n1,2,3,4,5,6,7\n",
            r"cannot tell which.*user and item.*alpha, beta",
        ),
        ("log.csv", "user,item,time,time\n1,2,3,4\n", r"two columns are called 'time'"),
        ("log.csv", "user,item,time\n1,a,5\n1,b,6,7\n", r"log\.csv, line 3: 4 fields where 3 were expected"),
        ("log.csv", "user,item,time\n1,a,soon\n", r"line 2, column 'time': 'soon' is not a time.*time=none"),
        ("log.csv", "user,item,rating\n1,a,good\n", r"column 'rating': expected ratings as numbers"),
        ("log.csv", b"user,item\n1,caf\xe9\n", r"line .*byte 0xe9 is not UTF-8.*iconv"),
        ("log.csv.gz", gzip.compress(b"user,item\n" + b"1,2\n" * 9999, mtime=0)[:-20], r"broken or cut short.*gzip -t"),
        ("log.csv.gz", b"user,item\n1,2\n", r"broken or cut short"),
        ("log.sav", "1", r"extension '\.sav' is not known.*\.csv"),
        ("log.parquet", "PAR1", r"could not be read as Parquet"),
        ("log.jsonl", '{"user": 1, "item": 2}\n[1]\n', r"line 2: expected a JSON object"),
        ("log.jsonl", '{"user": 1, "item": 2}\nnonsense\n', r"line 2: expected a JSON object, found 'nonsense'"),
    ],
)
def test_bad_files_are_named_with_the_fault(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, name, content)
    assert not (tmp_path / "out").exists()


def rows_then(last: bytes) -> bytes:
    """More good rows than a sample has, then a bad one on line 3002."""
    return b"user,item,rating,time\n" + b"1,2,3,1000000000\n" * 3000 + last


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (b"1,2,good,1000000000\n", r"log\.csv, line 3002, column 'rating': 'good' is no number"),
        (b"1,2,3,soon\n", r"line 3002, column 'time': 'soon' is not a time"),
        (b"1,2\xff,3,1000000000\n", r"line 3002: byte 0xff is not UTF-8"),
        (b"1,2,3,4,5\n", r"line 3002: 5 fields where 4 were expected"),
    ],
)
def test_a_fault_far_down_is_found_with_its_line(tmp_path, last, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, "log.csv", rows_then(last))


def test_a_fault_far_down_in_json_is_found_with_its_line(tmp_path):
    good = b'{"user": 1, "item": 2, "rating": 3}\n' * 3000
    with pytest.raises(DataError, match=r"line 3001, column 'rating': 'x' is no number"):
        read(tmp_path, "log.jsonl", good + b'{"user": 1, "item": 2, "rating": "x"}\n')
    with pytest.raises(DataError, match=r"line 3001: expected a JSON object"):
        read(tmp_path, "log.jsonl", good + b'{"user": 1, "it')


def test_a_misspelt_column_is_met_with_the_near_one(tmp_path):
    with pytest.raises(DataError, match=r"no column 'usr_id'.*did you mean 'user_id'.*user_id, item_id"):
        read(tmp_path, "log.csv", "user_id,item_id\n1,2\n", user="usr_id")


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        open_log(tmp_path / "nothing.csv")


def test_a_folder_with_several_tables_of_different_columns_asks_which(tmp_path):
    (tmp_path / "a.csv").write_text("user,item\n1,2\n")
    (tmp_path / "b.csv").write_text("user,thing,shop\n1,2,3\n")
    with pytest.raises(DataError, match=r"several tables \(a\.csv, b\.csv\) of different columns.*lacks item"):
        open_log(tmp_path)


def test_names_are_preferred_to_types():
    sample = pl.DataFrame({"timestamp": ["5"], "item_id": ["a"], "user_id": ["b"], "score": ["3"]})
    columns = choose(sample, {}, where="here")
    assert (columns.user, columns.item, columns.time, columns.rating) == ("user_id", "item_id", "timestamp", "score")
    assert choose(sample, {"time": "none", "rating": "none"}, where="here").time is None


def test_a_clock_knows_the_unit_of_an_epoch():
    for ticks in (1, 1000, 1_000_000, 1_000_000_000):
        clock = clock_of(pl.Series([1_700_000_000 * ticks]), where="here")
        assert clock is not None
        assert clock.ticks == ticks


def test_a_header_of_words_over_words_is_known_by_the_asked_column_or_the_dates(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("customer,product\nc1,p1\nc1,p2\nc2,p1\n")
    asked = {"user": "customer", "item": "product", "time": "none", "rating": None, "order": None}
    assert files.open_table(log, asked).sample.columns == ["customer", "product"]
    log.write_text("customer,product,when\nc1,p1,2024-01-02\nc1,p2,2024-01-03\n")
    assert files.open_table(log).sample.columns == ["customer", "product", "when"]
