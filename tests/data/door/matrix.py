"""Writes the part of docs/data.md that says what is read and what is refused, out of the cases of these tests.

`python -m data.door.matrix` with `tests` and `src` on PYTHONPATH; `make docs` runs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from data.door.case import Case
from data.door.cases import CASES
from data.door.doors import DOORS
from data.door.kinds import KINDS, PAIRS, Kind

PAGE = Path(__file__).resolve().parents[3] / "docs" / "data.md"
BEGIN, END = "<!-- door: written by make docs -->", "<!-- door: end -->"
Row = TypeVar("Row", Case, Kind)
_GROUPS = {
    "columns": "How columns are found",
    "times": "Times",
    "ids": "Ids with a type of their own",
    "text": "Text",
    "json": "JSON",
    "parquet": "Parquet",
    "items": "Beside the log",
}


def matrix() -> str:
    """The tables, each row a claim, what comes of such a file, and the number of its tests."""
    doors = ", ".join(door.name for door in DOORS)
    parts = [
        "## What comes in, and what does not",
        "Every row is a claim that the tests hold; the last column is the number of files that they try for it. A file "
        "that is refused is refused in one line with the value, its line and its column, and nothing is written.",
        f"Alike by every form: {doors}.",
        _table(("what", "forms", "outcome", "files"), _kinds()),
    ]
    for about, title in _GROUPS.items():
        parts += [f"### {title}", _table(("what", "outcome", "files"), _cases(about))]
    return "\n\n".join(_filled(part) for part in parts)


def written(page: str) -> str:
    """The page with the tables of today between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, behind = rest.partition(END)
    return f"{before}{BEGIN}\n\n{matrix()}\n\n{END}{behind}"


def _kinds() -> Iterator[tuple[str, ...]]:
    for first, all_of_it in _with_brothers(KINDS):
        files = sum(pair[1] in all_of_it for pair in PAIRS)
        yield first.says, _forms(first), _outcome(first.right is None), str(files)


def _cases(about: str) -> Iterator[tuple[str, ...]]:
    for first, all_of_it in _with_brothers([case for case in CASES if case.about == about]):
        yield first.says, _outcome(first.right is None), str(len(all_of_it))


def _with_brothers(rows: Iterable[Row]) -> list[tuple[Row, list[Row]]]:
    """Each row that says something, with those behind it that say nothing and have the same outcome."""
    found: list[tuple[Row, list[Row]]] = []
    for row in rows:
        if row.says:
            found.append((row, []))
        last = [brothers for first, brothers in found if (first.right is None) == (row.right is None)]
        assert last, f"'{row.name}' says nothing, and nothing of its outcome is before it"
        last[-1].append(row)
    return found


def _forms(kind: Kind) -> str:
    fits = {door.name for door in DOORS if kind.fits(door)}
    names = {
        "all": {door.name for door in DOORS},
        "text and JSON": {door.name for door in DOORS if door.form != "parquet"},
        "text": {door.name for door in DOORS if door.form == "text"},
        "text with quotes": {door.name for door in DOORS if door.quoting},
        "text without quotes": {door.name for door in DOORS if door.form == "text" and not door.quoting},
    }
    return next(name for name, doors in names.items() if doors == fits)


def _outcome(refused: bool) -> str:
    return "refused" if refused else "read"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _filled(part: str, width: int = 120) -> str:
    if part.startswith(("|", "#")):
        return part
    return re.sub(rf"(.{{1,{width}}})(?:\s+|$)", r"\1\n", part).rstrip()


def main() -> None:
    """Writes the page."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
