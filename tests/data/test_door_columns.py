"""What is asked of further columns is exact: conditions, tasks, requests and facts, by every form of file."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from segue.core.errors import DataError
from segue.core.tables import Dataset
from segue.data.facts import read_facts
from segue.data.preparation import Preparation
from segue.data.prepare import prepare
from segue.data.request_rule import words_of
from segue.data.requests import Requests, request_bounds
from segue.data.tasks import answers

T = 1_700_000_000
WIDE = 1_234_567_890_123_456_000
"""Neighbours of this number are one number in float64."""
Table = dict[str, Sequence[object]]


def write_csv(folder: Path, table: Table) -> Path:
    rows = zip(*table.values(), strict=True)
    lines = [",".join(table), *(",".join("" if value is None else str(value) for value in row) for row in rows)]
    (folder / "log.csv").write_text("\n".join(lines) + "\n")
    return folder / "log.csv"


def write_json(folder: Path, table: Table) -> Path:
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "log.jsonl"


def write_parquet(folder: Path, table: Table) -> Path:
    pq.write_table(pa.table({name: list(values) for name, values in table.items()}), folder / "log.parquet")
    return folder / "log.parquet"


def write_recbole(folder: Path, table: Table) -> Path:
    rows = zip(*table.values(), strict=True)
    header = [f"{name}:{'float' if name == 'timestamp' else 'token'}" for name in table]
    lines = ["\t".join(header), *("\t".join("" if value is None else str(value) for value in row) for row in rows)]
    (folder / "log.inter").write_text("\n".join(lines) + "\n")
    return folder / "log.inter"


FORMS = {"CSV": write_csv, "JSON lines": write_json, "Parquet": write_parquet, "RecBole": write_recbole}
every_form = pytest.mark.parametrize("write", FORMS.values(), ids=FORMS)
Write = Callable[[Path, Table], Path]


def taken(tmp_path: Path, write: Write, table: Table, **settings: object) -> Dataset:
    path = write(tmp_path, table)
    return prepare(Preparation.parse({"path": str(path), **settings}), tmp_path / "out")


def eighty(**columns: Callable[[int], object]) -> Table:
    """Eighty events of eight users with further columns, each a function of the row."""
    return {
        "user_id": [f"u{n // 10}" for n in range(80)],
        "item_id": [f"i{n % 9}" for n in range(80)],
        "timestamp": [T + n for n in range(80)],
        **{name: [value(n) for n in range(80)] for name, value in columns.items()},
    }


CODES: dict[str, tuple[Callable[[int], object], str]] = {
    "19 digits": (lambda n: WIDE + n % 4, str(WIDE + 1)),
    "just above 2^53": (lambda n: 2**53 + n % 4, str(2**53 + 1)),
    "negative": (lambda n: -WIDE - n % 4, str(-WIDE - 1)),
    "small": (lambda n: n % 4, "1"),
    "four words": (lambda n: f"c{n % 4}", "'c1'"),
    "eighty words": (lambda n: "mine" if n % 4 == 1 else f"word-{n}", "'mine'"),
    "digits in front": (lambda n: f"00{n % 4}x", "'001x'"),
}
"""Values of a column, and a literal that is one in four of them."""
every_code = pytest.mark.parametrize("code", CODES.values(), ids=CODES)


@every_form
@every_code
def test_a_condition_chooses_exactly_the_rows_that_are_equal(tmp_path, write, code):
    values, wanted = code
    dataset = taken(tmp_path, write, eighty(code=values), positive=f"code == {wanted}")
    assert dataset.log.timestamps.tolist() == [T + n for n in range(80) if n % 4 == 1]
    assert dataset.origin["dropped"] == {"not positive": 60}


@every_form
@every_code
def test_a_condition_leaves_out_exactly_the_rows_that_are_equal(tmp_path, write, code):
    values, wanted = code
    dataset = taken(tmp_path, write, eighty(code=values), positive=f"code != {wanted}")
    assert dataset.log.timestamps.tolist() == [T + n for n in range(80) if n % 4 != 1]


@every_form
@pytest.mark.parametrize("base", [0, 2**53, WIDE])
def test_a_condition_knows_the_order_of_wide_numbers(tmp_path, write, base):
    dataset = taken(tmp_path, write, eighty(code=lambda n: base + n % 4), positive=f"code >= {base + 2}")
    assert dataset.log.timestamps.tolist() == [T + n for n in range(80) if n % 4 >= 2]


@every_form
def test_ratings_that_are_missing_never_fulfil_a_condition(tmp_path, write):
    table = eighty(rating=lambda n: None if n % 4 == 0 else 1.0 + n % 4)
    dataset = taken(tmp_path, write, table, positive="rating >= 3")
    assert dataset.log.timestamps.tolist() == [T + n for n in range(80) if n % 4 >= 2]


REQUESTS: dict[str, Callable[[int], object]] = {
    "small": lambda number: number,
    "19 digits": lambda number: WIDE + number,
    "just above 2^53": lambda number: 2**53 + number,
    "text": lambda number: f"req-{number:06d}-{number * 7919 % 1000:03d}",
    "text of digits and letters": lambda number: f"{number:08x}-4a1b-{number:04x}",
}


def shown(name: Callable[[int], object]) -> Table:
    """Sixty users, six requests each a minute apart, four items a request."""
    rows = [(u, r, k) for u in range(60) for r in range(6) for k in range(4)]
    return {
        "user_id": [f"u{u}" for u, _, _ in rows],
        "item_id": [f"i{(u * 7 + r * 5 + k) % 20}" for u, r, k in rows],
        "timestamp": [T + u * 3600 + r * 60 for u, r, _ in rows],
        "request": [name(u * 6 + r + 1) for u, r, _ in rows],
        "click": [int((u + r + k) % 3 == 0) for u, r, k in rows],
    }


@every_form
@pytest.mark.parametrize("name", REQUESTS.values(), ids=REQUESTS)
def test_requests_are_told_apart_by_whatever_they_are_called(tmp_path, write, name):
    dataset = taken(tmp_path, write, shown(name), positive="click == 1", keep_shown=True)
    requests = Requests(dataset)
    assert len(requests) == 360
    assert np.diff(requests.bounds).tolist() == [4] * 360
    assert len(dataset.log) == sum((u + r + k) % 3 == 0 for u in range(60) for r in range(6) for k in range(4))


@every_form
@pytest.mark.parametrize("name", REQUESTS.values(), ids=REQUESTS)
def test_a_log_without_exposures_is_cut_by_its_requests_too(tmp_path, write, name):
    dataset = taken(tmp_path, write, shown(name))
    assert request_bounds(dataset.log).tolist() == list(range(0, 1441, 4))


@every_form
@every_code
def test_a_task_is_true_exactly_where_the_value_is_equal(tmp_path, write, code):
    values, wanted = code
    dataset = taken(tmp_path, write, eighty(code=values))
    found = answers(dataset.log, [f"code == {wanted}"], words_of(dataset), "eighty")
    assert found[:, 0].tolist() == [int(n % 4 == 1) for n in range(80)]


@every_form
@every_code
def test_a_fact_of_a_place_has_a_number_for_each_value(tmp_path, write, code):
    values, _ = code
    dataset = taken(tmp_path, write, eighty(code=values))
    told = read_facts(["place:category:code"], dataset.catalog, dataset.log, words_of(dataset), fewest=1, name="eighty")
    numbers = told.places["code"].tolist()
    assert min(numbers) > 0
    assert [numbers.index(number) for number in numbers] == [
        [values(m) for m in range(80)].index(values(n)) for n in range(80)
    ]


@every_form
def test_missing_values_of_a_wide_column_are_missing(tmp_path, write):
    table = eighty(code=lambda n: None if n % 4 == 0 else WIDE + n % 4)
    dataset = taken(tmp_path, write, table, positive=f"code == {WIDE + 1}")
    assert dataset.log.timestamps.tolist() == [T + n for n in range(80) if n % 4 == 1]


def test_a_dash_among_prices_is_shown_when_prices_are_told_as_numbers(tmp_path):
    path = write_csv(tmp_path, eighty())
    prices = [str(n * 1.5) if n != 4 else "-" for n in range(9)]
    (tmp_path / "items.csv").write_text("item_id,price\n" + "".join(f"i{n},{prices[n]}\n" for n in range(9)))
    dataset = prepare(Preparation(path=str(path)), tmp_path / "out")

    try:
        found = read_facts(["number:price"], dataset.catalog, dataset.log, {}, fewest=1, name="eighty")
    except DataError as refused:
        told = str(refused)
        assert "'-'" in told
        assert "i4" in told
    else:  # a missing price, and the others are what they are
        known = np.array([n * 1.5 for n in range(9) if n != 4])
        prices_of = dict(zip(dataset.catalog.ids.to_list(), found.items["price"].tolist(), strict=True))
        assert prices_of.pop("i4") == 0
        assert [prices_of[f"i{n}"] for n in range(9) if n != 4] == pytest.approx(
            ((known - known.mean()) / known.std()).tolist(), rel=1e-5
        )
