"""MovieLens as GroupLens gives it: u.data, ratings.dat or ratings.csv, with the films and users beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.columns import Columns
from segue.data.sources.delimited import Delimited, split_line
from segue.data.sources.mapping import log_of
from segue.data.sources.raw_log import RawLog
from segue.data.sources.text_files import first_lines
from segue.data.sources.times import epoch

_NAMES = ("userId", "movieId", "rating", "timestamp")
_100K_GENRES = ("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
                "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War",
                "Western")  # fmt: skip


def recognise(path: Path) -> str | None:
    """Why `path` is MovieLens, or None."""
    file = _ratings(path)
    if file is None:
        return None
    lines = first_lines(file, 2)
    if file.name.startswith("ratings.csv"):
        return "ratings.csv with the header of GroupLens" if lines[0].strip() == ",".join(_NAMES) else None
    separator = "::" if "::" in lines[0] else "\t"
    fields = split_line(lines[0], separator, quoted=False)
    if len(fields) == 4 and all(field.strip().isdigit() for field in (fields[0], fields[1], fields[3])):
        return f"{file.name} has lines of the form user{'::' if separator == '::' else ' TAB '}item, rating, timestamp"
    return None


def read(path: Path, asked: Mapping[str, str | None], why: str) -> RawLog:
    """The ratings, with `rating` beside each event; titles and genres from u.item, movies.dat or movies.csv."""
    file = _ratings(path)
    if file is None:
        raise DataError(f"{path}: expected u.data, ratings.dat or ratings.csv (or a folder with one of them).")
    lines = first_lines(file, 1)
    header = "movieId" in lines[0]
    separator = "::" if "::" in lines[0] else "," if "," in lines[0] else "\t"
    folder = file.parent
    return log_of(
        Delimited([file], _NAMES, separator, header, quoted=False),
        Columns(user="userId", item="movieId", time="timestamp", rating="rating"),
        source="movielens",
        why=why,
        clock=epoch(1),
        items=lambda wanted: _films(folder),
        users=lambda: _people(folder),
        beside=[folder / name for name in ("u.item", "movies.dat", "movies.csv", "u.user", "users.dat")],
    )


def _ratings(path: Path) -> Path | None:
    if path.is_file():
        plain = path.name.removesuffix(".gz")
        known = plain in ("u.data", "ratings.dat", "ratings.csv") or plain.endswith((".base", ".test"))
        return path if known or plain.endswith(".dat") else None
    for name in ("u.data", "ratings.dat", "ratings.csv", "ratings.dat.gz", "ratings.csv.gz"):
        if (path / name).is_file():
            return path / name
    # A folder that holds one piece of ratings.dat under another name, as a sample does.
    pieces = sorted(path.glob("ratings*.dat*"))
    return pieces[0] if len(pieces) == 1 else None


def _films(folder: Path) -> pl.DataFrame | None:
    if (folder / "u.item").is_file():
        rows = _latin(folder / "u.item", "|", 24)
        return pl.DataFrame(
            {
                "item_id": [row[0] for row in rows],
                "title": [row[1] for row in rows],
                "categories": [
                    [genre for genre, flag in zip(_100K_GENRES, row[5:], strict=True) if flag == "1"] for row in rows
                ],
                "release_date": [row[2] or None for row in rows],
            },
            schema_overrides={"categories": pl.List(pl.String), "release_date": pl.String},
        )
    if (folder / "movies.dat").is_file():
        rows = _latin(folder / "movies.dat", "::", 3)
        table = pl.DataFrame(rows, schema=["item_id", "title", "genres"], orient="row")
    elif (folder / "movies.csv").is_file():
        table = pl.read_csv(folder / "movies.csv", infer_schema=False).rename({"movieId": "item_id"})
    else:
        return None
    genres = pl.col("genres").replace("(no genres listed)", None).str.split("|")
    return table.select("item_id", "title", genres.alias("categories"))


def _people(folder: Path) -> pl.DataFrame | None:
    if (folder / "u.user").is_file():
        rows = _latin(folder / "u.user", "|", 5)
        names = ["user_id", "age", "gender", "occupation", "zip_code"]
    elif (folder / "users.dat").is_file():
        rows = _latin(folder / "users.dat", "::", 5)
        names = ["user_id", "gender", "age", "occupation", "zip_code"]
    else:
        return None
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row").with_columns(
        pl.col("age").cast(pl.Int64, strict=False)
    )


def _latin(file: Path, separator: str, width: int) -> list[list[str]]:
    """The fields of a small latin-1 file."""
    rows = []
    for number, line in enumerate(file.read_text(encoding="latin-1").split("\n"), 1):
        if not line.strip():
            continue
        fields = line.rstrip("\r").split(separator)
        if len(fields) != width:
            raise DataError(f"{file}, line {number}: {len(fields)} fields where {width} were expected: {line[:60]!r}.")
        rows.append(fields)
    return rows
