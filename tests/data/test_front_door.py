"""Logs as people have them, and what must come of them: the right events, or an error that shows the fault."""

import gzip
import json

import numpy as np
import polars as pl
import pytest

from data.logs import events_of
from segue.core.errors import DataError
from segue.data.preparation import Preparation
from segue.data.prepare import prepare
from segue.data.requests import Requests
from segue.data.tasks import answers

HEAD = "user,item,time\n"
LACKING = [("", "a", 1), (" ", "b", 2), (None, "c", 3), ("NULL", "d", 4), ("None", "e", 5), ("u1", "f", 6)]
LACKING += [("u1", "", 7), ("u1", "g", None)]


def log(folder, content, name="log.csv", **settings):
    file = folder / name
    if isinstance(content, pl.DataFrame):
        content.write_parquet(file)
    else:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return prepare(Preparation.parse({"path": str(file), **settings}), folder / "out")


def rows(count, line, head=HEAD):
    return head + "".join(line(i) for i in range(count))


def plain(i):
    return f"u{i % 4},i{i % 5},{1_700_000_000 + i}\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.csv", 'user,item,time\n"",a,1\n" ",b,2\nNaN,c,3\nNULL,d,4\n,e,5\nu1,f,6\nu1,,7\nu1,g,\n'),
        (
            "log.tsv",
            "user\titem\ttime\n\ta\t1\n \tb\t2\nnan\tc\t3\nnull\td\t4\nN/A\te\t5\nu1\tf\t6\nu1\t\t7\nu1\tg\t\n",
        ),
        (
            "log.jsonl",
            "\n".join(json.dumps(dict(zip(("user", "item", "time"), row, strict=True))) for row in LACKING),
        ),
    ],
)
def test_what_is_empty_is_missing(tmp_path, name, content):
    dataset = log(tmp_path, content, name)
    assert events_of(dataset) == [("u1", "f", 6)]
    assert dataset.origin["dropped"] == {"incomplete": 7}
    assert any("(first: data row 1 of" in note for note in dataset.origin["notes"])


@pytest.mark.parametrize("kind", [pl.Float64, pl.Int64, pl.String, pl.Categorical])
def test_typed_ids_are_read_as_what_they_mean(tmp_path, kind):
    users = pl.Series("user", [71, None, 8], dtype=pl.Int64)
    users = users.cast(pl.String).cast(kind) if kind == pl.Categorical else users.cast(kind)
    frame = pl.DataFrame([users, pl.Series("item", ["a", "b", "c"]), pl.Series("time", [1, 2, 3])])
    assert events_of(log(tmp_path, frame, "log.parquet")) == [("71", "a", 1), ("8", "c", 3)]


def test_float_nan_is_no_user(tmp_path):
    frame = pl.DataFrame({"user": [1.0, float("nan")], "item": [1, 2], "time": [1, 2]})
    dataset = log(tmp_path, frame, "log.parquet")
    assert (events_of(dataset), dataset.origin["dropped"]) == ([("1", "1", 1)], {"incomplete": 1})


def test_ids_that_a_float_column_has_damaged_are_refused(tmp_path):
    frame = pl.DataFrame({"user": [2.0**60, 1.0], "item": [1, 2], "time": [1, 2]})
    with pytest.raises(DataError, match="have lost their last digits"):
        log(tmp_path, frame, "log.parquet")


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl"])
def test_ids_are_exact_at_any_width(tmp_path, name):
    ids = ["9007199254740993", "9007199254740992", "18446744073709551617", "-7", "123456789012345678901234567890"]
    if name == "log.csv":
        content = rows(5, lambda i: f"{ids[i]},{ids[-i]},{i + 1}\n")
    else:
        content = "\n".join(f'{{"user": {ids[i]}, "item": {ids[-i]}, "time": {i + 1}}}' for i in range(5))
    assert events_of(log(tmp_path, content, name)) == [(ids[i], ids[-i], i + 1) for i in range(5)]


def test_zeros_and_signs_before_an_id_belong_to_it_and_blanks_do_not(tmp_path):
    found = events_of(log(tmp_path, "user, item, time\n007, 1, 1\n7,1,2\n+7,1 ,3\n 7 ,1,4\n"))
    assert found == [("007", "1", 1), ("7", "1", 2), ("7", "1", 4), ("+7", "1", 3)]


def test_ids_written_as_floats_are_whole_numbers(tmp_path):
    dataset = log(tmp_path, "user,item,time\n71.0,a,1\n,b,2\n8.0,c,3\n")
    assert events_of(dataset) == [("71", "a", 1), ("8", "c", 3)]
    assert any("'user' are whole numbers that were stored as floats" in note for note in dataset.origin["notes"])


def test_json_ids_may_be_numbers_first_and_words_later(tmp_path):
    lines = [json.dumps({"user": i % 3, "item": i % 5, "time": i + 1}) for i in range(1200)]
    lines.append('{"user": "x", "item": "y", "time": 2000}')
    assert events_of(log(tmp_path, "\n".join(lines), "log.jsonl"))[-1] == ("x", "y", 2000)


def test_an_object_is_no_id(tmp_path):
    content = '{"user": {"id": 1}, "item": 2, "time": 3}\n{"user": 5, "item": 2, "time": 3}\n'
    with pytest.raises(DataError, match=r"line 1, column 'user': '\{\"id\":1\}' is no id"):
        log(tmp_path, content, "log.jsonl", user="user")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_quotes_are_found_wherever_they_begin(tmp_path, separator):
    lines = [separator.join(("user", "item", "title", "time"))]
    lines += [separator.join((f"u{i % 4}", f"i{i % 5}", f"title {i}", str(1_700_000_000 + i))) for i in range(80)]
    lines[72] = separator.join(("u3", "i1", f'"a ""good""{separator} title\nof two lines"', "1700000071"))
    found = events_of(log(tmp_path, "\n".join(lines) + "\n", "log.csv"))
    assert sorted(found) == sorted((f"u{i % 4}", f"i{i % 5}", 1_700_000_000 + i) for i in range(80))


def test_lone_quotes_in_a_file_of_tabs_are_letters(tmp_path):
    content = 'user\titem\ttime\nu1\t12" single\t1\nu1\t"Weird\t2\nu2\tplain\t3\n'
    assert [item for _, item, _ in events_of(log(tmp_path, content, "log.tsv"))] == ['12" single', '"Weird', "plain"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ('u1,"b,1700000001\n', r"line 22: a quote that opens a field is not closed"),
        ('u1,"b" c,1700000001\n', r"line 22: a quote that opens a field is not closed"),
        ("u1,a,1700000001,x\n", r"line 22: 4 fields where 3 were expected"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_line_that_does_not_fit_is_refused_with_its_number(tmp_path, bad, message, packed):
    content = (rows(20, plain) + bad + rows(5000, plain, "")).encode()
    with pytest.raises(DataError, match=message):
        log(tmp_path, gzip.compress(content) if packed else content, "log.csv.gz" if packed else "log.csv")
    assert not (tmp_path / "out").exists()


def test_a_field_too_many_is_found_though_nobody_asks_for_the_last_columns(tmp_path):
    content = "user\titem\ttitle\ttime\n" + "u1\ti1\tgood\t5\n" * 70 + "u1\ti1\tbad\ttitle\t5\n"
    with pytest.raises(DataError, match="line 72: 5 fields where 4 were expected"):
        log(tmp_path, content, "log.tsv")


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("begin", ["", "\ufeff"])
def test_line_ends_and_byte_order_marks_are_of_no_account(tmp_path, ends, begin):
    content = begin + rows(6, plain).replace("\n", ends) + ends
    assert sorted(events_of(log(tmp_path, content))) == sorted(
        (f"u{i % 4}", f"i{i % 5}", 1_700_000_000 + i) for i in range(6)
    )


def test_line_ends_of_two_kinds_in_one_file_are_read(tmp_path):
    content = rows(6, plain) + rows(6, plain, "").replace("\n", "\r\n")
    assert len(events_of(log(tmp_path, content))) == 12


def test_a_short_line_lacks_what_it_lacks(tmp_path):
    dataset = log(tmp_path, HEAD + "u1,a\nu1,b,2\n\nu1\nu1,c,3\n")
    assert (events_of(dataset), dataset.origin["dropped"]) == ([("u1", "b", 2), ("u1", "c", 3)], {"incomplete": 2})


def test_utf_16_is_named_with_the_way_out(tmp_path):
    with pytest.raises(DataError, match=r"UTF-16.*iconv -f utf-16 -t utf-8 log\.csv"):
        log(tmp_path, (HEAD + "u1,a,1\n").encode("utf-16"))


def test_damaged_gzip_is_named(tmp_path):
    packed = bytearray(gzip.compress(rows(5000, plain).encode()))
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(DataError, match="gzip data is broken"):
        log(tmp_path, bytes(packed), "log.csv.gz")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("u1,a,yesterday", r"line 1502, column 'time': 'yesterday' is not a time"),
        (
            "u1,a,1700000000000",
            r"line 1502.*'1700000000000' counts milliseconds, while line 2 \('1700000000'\) counts sec",
        ),
        ("u1,a,9223372036854775807", r"line 1502, column 'time': '9223372036854775807'"),
    ],
)
def test_a_bad_time_is_shown_with_its_line(tmp_path, line, message):
    with pytest.raises(DataError, match=message):
        log(tmp_path, rows(1500, plain) + line + "\n" + plain(0))


def test_bad_values_of_a_fact_are_missing_and_told(tmp_path):
    content = rows(
        200, lambda i: f"u{i % 4},i{i % 5},{'-' if i == 7 else i},{1_700_000_000 + i}\n", "user,item,price,time\n"
    )
    dataset = log(tmp_path, content)
    assert int(np.isnan(dataset.log.columns["price"]).sum()) == 1
    assert any("1 values of 'price' are no numbers" in note and "line 9" in note for note in dataset.origin["notes"])


def test_a_bad_rating_is_refused_and_a_missing_one_is_not(tmp_path):
    def rated(bad):
        return rows(300, lambda i: f"u{i},i{i},{bad if i == 250 else 4},{i + 1}\n", "user,item,rating,time\n")

    with pytest.raises(DataError, match="line 252, column 'rating': 'good' is no number"):
        log(tmp_path, rated("good"))
    assert np.isnan(log(tmp_path, rated("nan")).log.columns["rating"]).sum() == 1


@pytest.mark.parametrize(("separator", "quote"), [(";", ""), (",", '"')])
def test_decimal_commas_are_read(tmp_path, separator, quote):
    lines = [separator.join(("user", "item", "rating", "time"))]
    lines += [separator.join((f"u{i}", f"i{i}", f"{quote}{i},5{quote}", str(i + 1))) for i in range(5)]
    assert log(tmp_path, "\n".join(lines)).log.columns["rating"].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]


@pytest.mark.parametrize(
    ("positive", "share"),
    [("wide == 9007199254740993", 1), ("wide != 9007199254740993", 3), ("wide >= 9007199254740994", 2)],
)
def test_conditions_are_exact_on_wide_numbers(tmp_path, positive, share):
    content = rows(80, lambda i: f"u{i % 4},i{i % 5},{2**53 + i % 4},{i + 1}\n", "user,item,wide,time\n")
    assert len(log(tmp_path, content, positive=positive).log) == 20 * share


def test_a_condition_is_exact_where_wide_numbers_begin_late(tmp_path):
    content = rows(
        1200, lambda i: f"u{i % 4},i{i % 5},{2**53 + i if i > 1100 else 1},{i + 1}\n", "user,item,wide,time\n"
    )
    assert len(log(tmp_path, content, positive=f"wide == {2**53 + 1101}").log) == 1


def test_tasks_are_exact_on_wide_numbers(tmp_path):
    content = rows(40, lambda i: f"u0,i{i % 5},{2**53 + i % 4},{i + 1}\n", "user,item,wide,time\n")
    dataset = log(tmp_path, content)
    told = answers(dataset.log, ["wide == 9007199254740993"], dataset.origin["words"], "log")
    assert told[:, 0].tolist() == [int(i % 4 == 1) for i in range(40)]


@pytest.mark.parametrize("form", ["{}", "r{}", "{}000000000000000017", "{:032x}"])
def test_requests_are_told_apart_whatever_their_ids_look_like(tmp_path, form):
    head = "user,item,request,click,time\n"
    content = rows(
        400, lambda i: f"u{i // 100},i{i % 7},{form.format(9000 + i // 10)},{i % 2},{1_700_000_000 + i}\n", head
    )
    dataset = log(tmp_path, content, positive="click == 1")
    assert len(Requests(dataset)) == 40


def test_a_few_missing_times_do_not_take_the_others_away(tmp_path):
    frame = pl.DataFrame({"user_id": ["u"] * 400, "item_id": range(400), "position": range(400)})
    times = pl.Series("timestamp", [None if i == 7 else 1_700_000_000 + i for i in range(400)])
    dataset = log(tmp_path, frame.with_columns(times), "log.parquet")
    assert dataset.log.timestamps is not None
    assert dataset.origin["dropped"] == {"incomplete": 1}
    many = frame.with_columns(pl.Series("timestamp", [None] * 200 + [1] * 200, dtype=pl.Int64))
    (tmp_path / "many").mkdir()
    assert log(tmp_path / "many", many, "log.parquet").log.timestamps is None


def test_a_header_can_be_said(tmp_path):
    assert events_of(log(tmp_path, "a,b\nc,d\n", header=True, user="a", item="b")) == [("c", "d", 0)]
    (tmp_path / "second").mkdir()
    assert len(events_of(log(tmp_path / "second", "user,item\nc,d\n", header=False))) == 2
