"""Text as it lies in files, packed or not: its bytes in pieces, its first lines, and what is wrong with it."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segue.core.errors import DataError

_BLOCK = 16 << 20
_HEAD = 1 << 20


def head(file: Path, *, whole_lines: bool = True) -> str:
    """The first megabyte of text, up to the end of a line or of a letter.

    Raises:
        DataError: the file is empty, not text, or its gzip is broken.
    """
    first = next(blocks(file, _HEAD), b"")
    if len(first) >= _HEAD and whole_lines and b"\n" in first:
        first = first[: first.rfind(b"\n") + 1]
    elif len(first) >= _HEAD:  # a letter of UTF-8 has at most four bytes
        first = first[: max((i for i in range(len(first) - 4, len(first)) if first[i] & 0xC0 != 0x80), default=None)]
    try:
        text = first.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise not_utf8(file) from None
    if not text.strip():
        raise DataError(f"{file} is empty; a log has at least one row.")
    return text


def open_text(file: Path, encoding: str = "utf-8-sig") -> io.TextIOWrapper:
    """The file as text, unpacked when its name ends in .gz."""
    raw: Any = gzip.GzipFile(file) if is_packed(file) else file.open("rb")  # the wrapper closes it
    return io.TextIOWrapper(raw, encoding=encoding, newline="")


def blocks(file: Path, size: int = _BLOCK) -> Iterator[bytes]:
    """The bytes of a file, unpacked when its name ends in .gz, in pieces that do not cut a line end in two.

    Raises:
        DataError: it cannot be read, its gzip is broken, or it is UTF-16.
    """
    first, held = True, b""
    try:
        with gzip.open(file, "rb") if is_packed(file) else file.open("rb") as raw:
            while piece := raw.read(size):
                piece, held = held + piece, b""
                if first and piece[:2] in (b"\xff\xfe", b"\xfe\xff"):
                    raise DataError(
                        f"{file}: the text is UTF-16, and UTF-8 is expected. Convert it first: "
                        f"iconv -f utf-16 -t utf-8 {file.name} > converted{file.suffix}"
                    )
                first = False
                if piece.endswith(b"\r"):
                    piece, held = piece[:-1], b"\r"
                yield piece
            if held:
                yield held
    except (EOFError, gzip.BadGzipFile, zlib.error) as wrong:
        raise broken_gzip(file, wrong) from None
    except OSError as wrong:
        raise DataError(f"{file} could not be read: {wrong.strerror or wrong}.") from None


def first_lines(file: Path, count: int) -> list[str]:
    """The first lines without their ends.

    Raises:
        DataError: the file is empty, not text, or its gzip is broken.
    """
    return re.split(r"\r\n|\n|\r", head(file))[:count]


def is_packed(file: Path) -> bool:
    """Whether a file is gzip, by its name."""
    return file.suffix.lower() == ".gz"


def literal_path(file: Path) -> str:
    """A path in which no sign stands for others."""
    return re.sub(r"([*?\[])", r"[\1]", str(file))


def not_utf8(file: Path) -> DataError:
    """The error for a file that is not UTF-8, with the line where it first is not."""
    with gzip.open(file, "rb") if is_packed(file) else file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as wrong:
                return DataError(
                    f"{file}, line {number}: byte {line[wrong.start]:#04x} is not UTF-8 text. Convert the file first, "
                    f"for example: iconv -f latin1 -t utf8 {file.name} > converted.csv"
                )
    return DataError(f"{file} ends within a letter of UTF-8; is it whole?")


def broken_gzip(file: Path, error: Exception) -> DataError:
    """The error for a gzip file that stops early or is none."""
    return DataError(
        f"{file}: the gzip data is broken or cut short ({error or type(error).__name__}). Copy or download it again; "
        f"`gzip -t {file.name}` tests it."
    )
