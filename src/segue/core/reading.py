"""Small files that anybody may have changed, read so that what is wrong with one is said in a few words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from segue.core.errors import in_words

MOST = 256_000_000
"""Bytes of a file of text that are read at once; ours are far smaller."""


def read_text(path: Path, most: int = MOST) -> str:
    """The text of a file.

    Raises:
        ValueError: it is not there, too large or not UTF-8; says what, in a few words and without the path.
    """
    try:
        if (size := path.stat().st_size) > most:
            raise ValueError(f"it has {size:,} bytes, and at most {most:,} are read")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1:,} is not UTF-8") from None
    except OSError as error:
        raise ValueError(in_words(OSError(error.errno, error.strerror)).rstrip(".")) from None


def read_json(path: Path) -> Any:
    """The values of a JSON file.

    Raises:
        ValueError: as of `read_text`, or it is not JSON.
    """
    return json_values(read_text(path))


def json_values(text: str) -> Any:
    """The values of a JSON text.

    Raises:
        ValueError: it is not JSON, or too deep; says so in a few words.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("its values are nested too deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno} is not JSON ({error.msg})") from None


def shortly(error: BaseException | str, most: int = 300) -> str:
    """What an error says, in one line that is not too long; of pydantic's the first fault and where it is."""
    if isinstance(error, ValidationError):
        fault = error.errors(include_url=False, include_input=False)[0]
        text = f"{'.'.join(str(step) for step in fault['loc']) or 'the whole'}: {fault['msg']}"
    else:
        text = str(error) or type(error).__name__
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[:most]}..."
