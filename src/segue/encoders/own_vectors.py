"""Vectors that the user brings in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from polars.exceptions import PolarsError
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import Tensor

from segue.core.errors import DataError
from segue.core.run import Run
from segue.core.tables import Split
from segue.core.tokenizing import FittedEncoder, ItemEncoder
from segue.encoders._known import KnownVectors

ID = "item_id"


class OwnVectors(ItemEncoder):
    """Vectors from a file: a table matched by item id, or an array with one row for each item of the catalog.

    Tables are .parquet and .csv with the columns `item_id` and a list of numbers (in CSV as text, such as "[0.1, 2]"),
    and .npz with the arrays `item_id` and another; arrays are .npy, and .npz and .safetensors with one array. Further
    items of a table can be encoded as well.
    """

    path: str
    """The file."""
    column: str | None = None
    """The column or array of the vectors, or None where only one can be meant."""

    def fit(self, split: Split, run: Run) -> FittedEncoder:
        """Read the file and look whether every item of the catalog has a vector.

        Raises:
            DataError: no such file, an unknown format, no or several candidates for the vectors, different widths,
                values that are not finite numbers, items without vector.
        """
        ids, vectors = self._read()
        if ids is None:
            ids = split.catalog.ids
            if len(vectors) != len(ids):
                raise DataError(
                    f"{self.path} has {len(vectors):,} rows and the catalog {len(ids):,} items. Rows without item ids "
                    f"must be the catalog's items in its order; a table with a column '{ID}' is matched by id."
                )
        ids = ids.cast(pl.String)
        doubled = ids.filter(ids.is_duplicated())
        if len(doubled):
            raise DataError(f"{self.path} has more than one vector of some items (first: {doubled[0]!r}).")
        strange = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(strange):
            place = int(np.flatnonzero(~np.isfinite(vectors[strange[0]]))[0])
            raise DataError(
                f"{self.path}: the vectors of {len(strange):,} items hold NaN, infinite or missing values "
                f"(first: item {ids[int(strange[0])]!r}, place {place})."
            )
        fitted = KnownVectors.of(self, ids, vectors, self.path)
        fitted.encode(split.catalog)  # says which items are missing
        return fitted

    def restore(self, weights: Mapping[str, Tensor]) -> FittedEncoder:
        """The encoder that `weights` were taken from; the file is not needed."""
        return KnownVectors(self, weights["items"], weights["vectors"], self.path)

    def _read(self) -> tuple[pl.Series | None, np.ndarray]:
        path = Path(self.path)
        if not path.is_file():
            raise DataError(f"there is no file {path}.")
        try:
            match path.suffix:
                case ".parquet":
                    return self._from_table(pl.read_parquet(path))
                case ".csv":
                    return self._from_table(pl.read_csv(path, schema_overrides={ID: pl.String}))
                case ".npy":
                    return None, self._matrix(np.load(path, allow_pickle=False))
                case ".npz":
                    with np.load(path, allow_pickle=False) as arrays:
                        return self._from_arrays(dict(arrays))
                case ".safetensors":
                    return self._from_arrays(load_file(path))
        except (PolarsError, SafetensorError, OSError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{path} could not be read: {error}") from error
        raise DataError(f"{path}: expected .parquet, .csv, .npz, .npy or .safetensors.")

    def _from_arrays(self, arrays: Mapping[str, np.ndarray]) -> tuple[pl.Series | None, np.ndarray]:
        name = self._chosen([name for name in arrays if name != ID and arrays[name].ndim == 2], list(arrays))
        ids = pl.Series(ID, arrays[ID].tolist()) if ID in arrays else None
        vectors = self._matrix(arrays[name])
        if ids is not None and len(ids) != len(vectors):
            raise DataError(f"{self.path} has {len(ids):,} item ids and {len(vectors):,} vectors.")
        return ids, vectors

    def _from_table(self, table: pl.DataFrame) -> tuple[pl.Series, np.ndarray]:
        if ID not in table.columns:
            raise DataError(f"{self.path} has no column '{ID}'; it has {', '.join(table.columns)}.")
        lists = [name for name, dtype in table.schema.items() if isinstance(dtype, pl.List | pl.Array)]
        texts = [name for name, dtype in table.schema.items() if dtype == pl.String and name != ID]
        column = table[self._chosen(lists or texts, table.columns)]
        if column.dtype == pl.String:
            column = column.str.extract_all(r"[^\s,;|\[\]()]+")
        column = column.cast(pl.List(pl.Float64), strict=False)
        widths = column.list.len().fill_null(0)
        usual = int(widths.mode().max() or 0)  # type: ignore[arg-type]
        other = (widths != usual) | (widths == 0)
        if other.any():
            first = int(other.arg_max() or 0)
            raise DataError(
                f"{self.path}: most vectors of '{column.name}' have {usual} numbers, {other.sum():,} do not "
                f"(first: item {table[ID][first]!r} with {widths[first]})."
            )
        flat = column.explode().fill_null(float("nan")).to_numpy()
        return table[ID], flat.reshape(len(table), usual).astype(np.float32)

    def _chosen(self, candidates: list[str], present: list[str]) -> str:
        if self.column is not None:
            if self.column not in present:
                raise DataError(f"{self.path} has no '{self.column}'; it has {', '.join(present)}.")
            return self.column
        if len(candidates) != 1:
            raise DataError(
                f"{self.path}: expected one column or array of vectors, found {len(candidates)} that could be meant "
                f"among {', '.join(present)}. Name it with `column`."
            )
        return candidates[0]

    def _matrix(self, array: np.ndarray) -> np.ndarray:
        if array.ndim != 2 or not array.shape[1] or array.dtype.kind not in "fiu":
            raise DataError(f"{self.path}: expected items x width numbers, not {array.dtype} of shape {array.shape}.")
        return array.astype(np.float32)
