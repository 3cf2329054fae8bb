"""Tables in memory: what becomes of them as a file, and what is refused."""

import datetime as dt
import uuid
from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pytest

from segue.core.errors import SettingsError
from segue.data.sources.frames import as_polars, kept

TABLE = pd.DataFrame({"user": ["a", "a", "b"], "item": ["x", "y", "x"], "time": [1, 2, 3]})
ROWS = [("a", "x", 1), ("a", "y", 2), ("b", "x", 3)]


@pytest.mark.parametrize(
    "data",
    [
        TABLE,
        TABLE.set_index("user"),
        TABLE.set_index(["user", "item"]),
        TABLE.rename_axis("user"),
        TABLE.set_axis(["r1", "r2", "r3"]),
        TABLE.astype({"user": "category", "time": "Int64"}),
        pl.from_pandas(TABLE),
        pl.from_pandas(TABLE).lazy(),
        pa.Table.from_pandas(TABLE, preserve_index=False),
        pa.RecordBatch.from_pandas(TABLE, preserve_index=False),
        pyarrow.dataset.dataset(pa.Table.from_pandas(TABLE, preserve_index=False)),
        duckdb.sql("select * from (values ('a', 'x', 1), ('a', 'y', 2), ('b', 'x', 3)) t(\"user\", item, time)"),
    ],
    ids=[
        "pandas",
        "index",
        "two-indexes",
        "index-of-a-column",
        "nameless-index",
        "types",
        "polars",
        "lazy",
        "arrow",
        "batch",
        "dataset",
        "duckdb",
    ],
)
def test_a_table_of_any_library_is_its_rows(data):
    found = as_polars(data)
    assert set(found.columns) == {"user", "item", "time"}
    assert found.select(pl.col("user").cast(pl.String), "item", "time").rows() == ROWS


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1, "a", None], ["1", "a", None]),
        ([2**70, 1, None], [str(2**70), "1", None]),
        ([2**53 + 1, 2**63 - 1, 5], [2**53 + 1, 2**63 - 1, 5]),
        ([uuid.UUID(int=1), None, uuid.UUID(int=2)], [str(uuid.UUID(int=1)), None, str(uuid.UUID(int=2))]),
        ([dt.date(2024, 1, 1), None, dt.date(2024, 1, 2)], [dt.date(2024, 1, 1), None, dt.date(2024, 1, 2)]),
        ([Decimal("1.5"), None, Decimal(2)], [Decimal("1.5"), None, Decimal("2.0")]),
    ],
)
def test_objects_of_pandas_are_exact(values, wanted):
    frame = TABLE.assign(user=pd.Series(values, dtype=object))
    assert as_polars(frame)["user"].to_list() == wanted
    assert frame["user"].tolist() == values


def test_times_with_zones_and_periods_are_instants():
    zone = TABLE.assign(time=pd.date_range("2024-01-01", periods=3, freq="h", tz="Asia/Tokyo"))
    assert as_polars(zone)["time"].dt.epoch("s")[0] == 1_704_034_800
    period = TABLE.assign(time=pd.period_range("2024-01-01", periods=3, freq="D"))
    assert as_polars(period)["time"].dt.epoch("s")[0] == 1_704_067_200


@pytest.mark.parametrize(
    "data",
    [{"user": [1]}, [{"user": 1}], np.zeros((3, 3)), 5, b"x", TABLE["user"], TABLE.groupby("user"),
     pl.Series([1]), pa.array([1]), ROWS],
    ids=lambda data: type(data).__name__,
)  # fmt: skip
def test_what_is_no_table_is_refused_in_words(data):
    with pytest.raises(SettingsError, match=r"data: a value of type [\w.]+ is no log\. Give a path"):
        as_polars(data)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (TABLE.set_axis(["user", "user", "time"], axis=1), "two columns are called 'user'"),
        (pl.LazyFrame({"a": [1]}).select("b"), "cannot be kept as a file: unable to find column"),
        (pl.DataFrame({"a": [object()]}), "cannot be kept as a file"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_leaves_nothing(data, match, tmp_path):
    with pytest.raises(SettingsError, match=match):
        kept(data, tmp_path / "frames")
    assert not list(tmp_path.rglob("*.parquet"))


def test_equal_tables_are_one_file_and_others_are_others(tmp_path):
    place = kept(TABLE, tmp_path)
    assert kept(TABLE.copy(), tmp_path) == place
    assert kept(TABLE[:2], tmp_path) != place
    assert kept(TABLE, tmp_path, items=pd.DataFrame({"item": ["x"]})) != place
    assert pl.read_parquet(place).rows() == ROWS
    assert {folder.name[:6] for folder in tmp_path.iterdir()} == {"frame-"}
