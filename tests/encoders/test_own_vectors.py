"""Own vectors are matched by item id, or row by row, and every fault of a file is named."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from encoders.shelf import catalog, shop
from segue.core.errors import DataError
from segue.core.run import Run
from segue.core.tokenizing import FittedEncoder
from segue.encoders.own_vectors import OwnVectors

ROWS = np.arange(24, dtype=np.float32).reshape(8, 3)
IDS = [f"i{row}" for row in range(8)]
BACKWARDS = pl.DataFrame({"item_id": IDS[::-1], "vector": ROWS[::-1].tolist()})


def fitted(path: Path, **settings: str) -> FittedEncoder:
    return OwnVectors(path=str(path), **settings).fit(shop(), Run())


def written(table: pl.DataFrame, path: Path) -> Path:
    table.write_parquet(path)
    return path


def test_every_format_gives_the_rows_of_the_catalog(tmp_path: Path) -> None:
    BACKWARDS.write_parquet(tmp_path / "table.parquet")
    BACKWARDS.with_columns(pl.col("vector").cast(pl.Array(pl.Float32, 3))).write_parquet(tmp_path / "array.parquet")
    as_text = pl.format("[{}]", pl.col("vector").list.eval(pl.element().cast(pl.String)).list.join(", "))
    BACKWARDS.with_columns(as_text).write_csv(tmp_path / "table.csv")
    np.savez(tmp_path / "table.npz", item_id=np.array(IDS[::-1]), vectors=ROWS[::-1])
    np.savez(tmp_path / "rows.npz", vectors=ROWS)
    np.save(tmp_path / "rows.npy", ROWS.astype(np.float16))
    save_file({"vectors": ROWS}, tmp_path / "rows.safetensors")
    split = shop()
    for path in sorted(tmp_path.iterdir()):
        assert (fitted(path).encode(split.catalog) == ROWS).all(), path.name


def test_restored_it_needs_no_file(tmp_path: Path) -> None:
    split, path = shop(), written(BACKWARDS, tmp_path / "own.parquet")
    part = OwnVectors(path=str(path))
    weights = part.fit(split, Run()).weights()
    path.unlink()
    assert (part.restore(weights).encode(split.catalog) == ROWS).all()


def test_further_items_of_the_table_are_known(tmp_path: Path) -> None:
    more = pl.concat([BACKWARDS, pl.DataFrame({"item_id": ["new 0"], "vector": [[7.0, 8.0, 9.0]]})])
    known = fitted(written(more, tmp_path / "own.parquet"))
    assert known.encode(catalog("x")).tolist() == [[7.0, 8.0, 9.0]]
    with pytest.raises(DataError, match=r"1 of 2 items have no vector in .*own.parquet \(first: 'new 1'\)"):
        known.encode(catalog("x", "y"))


def test_missing_ids_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 of 8 items have no vector in .* \(first: 'i6'\); it knows 6"):
        fitted(written(BACKWARDS.tail(6), tmp_path / "own.parquet"))


@pytest.mark.parametrize("strange", [float("nan"), float("inf"), None])
def test_values_that_are_not_numbers_are_named_by_item(tmp_path: Path, strange: float | None) -> None:
    vectors = ROWS.tolist()
    vectors[5][1] = strange
    table = pl.DataFrame({"item_id": IDS, "vector": vectors})
    with pytest.raises(DataError, match=r"1 items hold NaN, .* \(first: item 'i5', place 1\)"):
        fitted(written(table, tmp_path / "own.parquet"))


def test_a_word_among_the_numbers_of_a_csv_is_named(tmp_path: Path) -> None:
    rows = ["item_id,vector", *(f'{item},"1 2 {"x" if item == "i3" else 3}"' for item in IDS)]
    (tmp_path / "own.csv").write_text("\n".join(rows))
    with pytest.raises(DataError, match="item 'i3', place 2"):
        fitted(tmp_path / "own.csv")


def test_different_widths_are_named_by_item(tmp_path: Path) -> None:
    table = pl.DataFrame({"item_id": IDS, "vector": [*ROWS.tolist()[:-1], [1.0]]})
    with pytest.raises(DataError, match=r"have 3 numbers, 1 do not .first: item 'i7' with 1"):
        fitted(written(table, tmp_path / "own.parquet"))


def test_an_item_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"more than one vector of some items .first: 'i7'"):
        fitted(written(pl.concat([BACKWARDS, BACKWARDS.head(1)]), tmp_path / "own.parquet"))


def test_rows_without_ids_must_be_as_many_as_the_items(tmp_path: Path) -> None:
    np.save(tmp_path / "own.npy", ROWS[:5])
    with pytest.raises(DataError, match="has 5 rows and the catalog 8 items"):
        fitted(tmp_path / "own.npy")


def test_files_that_are_none_of_ours_are_explained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        fitted(tmp_path / "absent.parquet")
    (tmp_path / "own.pkl").write_bytes(b"")
    with pytest.raises(DataError, match=r"expected \.parquet, \.csv"):
        fitted(tmp_path / "own.pkl")
    for name in ("own.parquet", "own.npy", "own.npz", "own.safetensors"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(DataError, match="could not be read"):
            fitted(tmp_path / name)
    np.save(tmp_path / "flat.npy", ROWS.ravel())
    with pytest.raises(DataError, match="expected items x width numbers"):
        fitted(tmp_path / "flat.npy")


def test_the_column_is_chosen_by_name_where_several_could_be_meant(tmp_path: Path) -> None:
    path = written(BACKWARDS.with_columns(other=pl.col("vector").list.head(2)), tmp_path / "own.parquet")
    with pytest.raises(DataError, match="found 2 that could be meant among item_id, vector, other"):
        fitted(path)
    assert fitted(path, column="other").encode(shop().catalog).shape == (8, 2)
    with pytest.raises(DataError, match="has no 'third'"):
        fitted(path, column="third")
    with pytest.raises(DataError, match="has no column 'item_id'"):
        fitted(written(BACKWARDS.drop("item_id"), tmp_path / "bare.parquet"))
