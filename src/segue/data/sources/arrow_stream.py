"""Arrow's streams of record batches, which data sets of Hugging Face and others keep under .arrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.table import Table
from segue.data.sources.values import SAMPLE_ROWS, Role

_FILE = b"ARROW1"


@dataclass(frozen=True)
class ArrowStream(Table):
    """Columns with types of their own, read from the front."""

    files: Sequence[Path]

    @cached_property
    def sample(self) -> pl.DataFrame:  # type: ignore[override]
        """The first rows."""
        found: list[pl.DataFrame] = []
        for batch in self._batches(None):
            found.append(batch)
            if sum(part.height for part in found) >= SAMPLE_ROWS:
                break
        return pl.concat(found).head(SAMPLE_ROWS)

    def batches(self, columns: Mapping[str, Role], rows: int) -> Iterator[pl.DataFrame]:
        """The columns asked for, in their own types."""
        for batch in self._batches(list(columns)):
            yield from batch.iter_slices(rows)

    def _batches(self, columns: Sequence[str] | None) -> Iterator[pl.DataFrame]:
        import pyarrow as pa

        for file in self.files:
            try:
                with pa.memory_map(str(file)) as raw, pa.ipc.open_stream(raw) as reader:
                    empty: Any = pl.from_arrow(reader.schema.empty_table())
                    yield empty if columns is None else empty.select(columns)
                    for batch in reader:
                        frame: Any = pl.from_arrow(batch if columns is None else batch.select(columns))
                        yield frame
            except (pa.ArrowException, pl.exceptions.PolarsError, OSError) as error:
                first = (str(error).splitlines() or [""])[0]
                raise DataError(f"{file} could not be read as an Arrow stream: {first}. Is the file whole?") from None


def is_stream(file: Path) -> bool:
    """Whether an Arrow file is a stream and not a file with an index at its end."""
    try:
        with file.open("rb") as raw:
            return raw.read(len(_FILE)) != _FILE
    except OSError as error:
        raise DataError(f"{file} could not be read: {error.strerror or error}.") from None
