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
from segue.data.sources.json_lines import read_json, table_of
from segue.data.sources.table import Table
from segue.data.sources.text_files import blocks, head
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
            _check_end(file)
            yield from read_json(file, list(columns), rows, "array")

    def place(self, row: int) -> str:
        """Where an object, counted from 0, stands."""
        return f"{self.files[0]}, object {row + 1}"


def is_array(file: Path) -> bool:
    """Whether a JSON file holds an array.

    Raises:
        DataError: it holds one object with the rows inside, or is empty.
    """
    text = head(file, whole_lines=False).lstrip()
    if text.startswith("{"):
        _check_not_around(text, file)
    return text.startswith("[")


def _check_not_around(text: str, file: Path) -> None:
    """A file of objects is fine, and so is one event; one object around the events is not.

    Raises:
        DataError: naming the key of the list.
    """
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except RecursionError:
        return
    except ValueError:  # the object is longer than the text, or no JSON at all
        keys = re.findall(r'"([^"]+)"\s*:\s*\[\s*\{', text[:4096])
        if not keys or _is_json(text.split("\n", 1)[0]):
            return
    else:
        if text[end:].strip():
            return
        keys = [key for key, rows in value.items() if isinstance(rows, list) and rows and isinstance(rows[0], dict)]
        if not keys and not (value and all(isinstance(held, dict | list) for held in value.values())):
            return
    if keys:
        raise DataError(
            f"{file} holds one object whose '{keys[0]}' is a list; a log is the list itself. Take it out, for "
            f"example: jq -c '.[\"{keys[0]}\"][]' {file.name} > log.jsonl"
        )
    raise DataError(
        f"{file} holds one object, and a log is a list of objects, one an event. pandas writes one with "
        "to_json('log.jsonl', orient='records', lines=True)."
    )


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _check_end(file: Path) -> None:
    """The reader takes an array that ends between two objects for a whole one.

    Raises:
        DataError: the array is not closed.
    """
    last = b""
    for block in blocks(file):
        last = block.rstrip()[-1:] or last
    if last != b"]":
        raise DataError(f"{file}: the array has no end (a ']' as the last sign). Is the file whole?")


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
        try:
            json.dumps(found, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise DataError(f"{file}, object {len(objects) + 1}: half a letter (a lone surrogate) in it.") from None
        objects.append(found)
    if not objects:
        raise DataError(f"{file}: the array is empty; a log has at least one row.")
    return objects
