"""Files that hold one JSON array of objects, gzip or not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.delimited import head
from segue.data.sources.json_lines import read_json, table_of
from segue.data.sources.table import Table
from segue.data.sources.values import SAMPLE_ROWS, Role


@dataclass(frozen=True)
class JsonArray(Table):
    """Objects whose fields are columns, read without ever holding all of them."""

    files: Sequence[Path]

    @cached_property
    def sample(self) -> pl.DataFrame:  # type: ignore[override]
        """The first objects."""
        return table_of(_first_objects(head(self.files[0], whole_lines=False), self.files[0]))

    def batches(self, columns: Mapping[str, Role], rows: int) -> Iterator[pl.DataFrame]:
        """The columns asked for, as text; objects and lists stay what they are in JSON."""
        for file in self.files:
            yield from read_json(file, list(columns), rows, "array")

    def place(self, row: int) -> str:
        """Where an object, counted from 0, stands."""
        return f"{self.files[0]}, object {row + 1}"


def is_array(file: Path) -> bool:
    """Whether a JSON file holds an array.

    Raises:
        DataError: it holds one object with the array inside, or is empty.
    """
    text = head(file, whole_lines=False).lstrip()
    if text.startswith("{"):
        line = text.split("\n", 1)[0].strip()
        try:
            json.loads(line)
        except RecursionError:
            return False
        except ValueError:
            key = next((key for key in _keys_of_arrays(text)), None)
            if key is not None:
                raise DataError(
                    f"{file} holds one object whose '{key}' is a list; a log is the list itself. Take it out, for "
                    f"example: jq -c '.{key}[]' {file.name} > log.jsonl"
                ) from None
    return text.startswith("[")


def _first_objects(text: str, file: Path) -> list[dict[str, Any]]:
    decoder = json.JSONDecoder()
    objects: list[dict[str, Any]] = []
    at = text.index("[") + 1
    while len(objects) < SAMPLE_ROWS:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        if at >= len(text) or text[at] == "]":
            break
        try:
            found, at = decoder.raw_decode(text, at)
        except RecursionError:
            raise DataError(f"{file}, object {len(objects) + 1}: the object is too deeply nested.") from None
        except ValueError as error:
            if objects and len(text) >= 1 << 19:  # the text ends within an object
                break
            raise DataError(f"{file}: the array is not valid JSON ({error}).") from None
        if not isinstance(found, dict):
            raise DataError(f"{file}, object {len(objects) + 1}: expected an object, found {found!r:.60}.")
        objects.append(found)
    return objects


def _keys_of_arrays(text: str) -> Iterator[str]:
    """The keys of the outer object whose value is a list of objects, as far as a look at the text tells."""
    yield from re.findall(r'"([^"]+)"\s*:\s*\[\s*\{', text[:4096])
