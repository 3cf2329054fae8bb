"""When something begins: dates and Unix seconds as people write them, and shares of a log as moments."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from segue.core.shapes import Int


def moment_of(value: int | str) -> int:
    """Unix seconds of a date (UTC where it does not say), of a date with a time, or of seconds.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, int):
        return value
    if value.lstrip("-").isdigit() and len(value) > 8:
        return int(value)
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp())


def moment_text(moment: int) -> str:
    """The date and time in UTC, to be read."""
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OSError, OverflowError):
        return f"{moment} s"


def quantile(times: Int[np.ndarray, " events"], share: float) -> int:
    """The earliest moment from which on at most `1 - share` of the events lie, where equal times allow it."""
    place = min(int(share * len(times)), len(times) - 1)
    return int(np.partition(times, place)[place])


def _readable(value: str | int | None) -> str | int | None:
    if isinstance(value, str):
        try:
            moment_of(value)
        except ValueError:
            raise PydanticCustomError(
                "moment", "expected a date such as 2024-05-31, or 2024-05-31T12:00:00, or Unix seconds"
            ) from None
    return value


def _text(value: Any) -> Any:
    """YAML reads 2024-05-01 as a date of its own."""
    return value.isoformat() if isinstance(value, date) else value  # a datetime is a date too


Moment = Annotated[int | str | None, BeforeValidator(_text), AfterValidator(_readable)]
"""A date (UTC) or Unix seconds."""
