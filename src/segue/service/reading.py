"""Reading run folders for others: whatever is wrong with one of them is said of that one, and stops nothing else."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segue.core.errors import SegueError
from segue.service.event_store import StoreAway
from segue.service.problems import Problem

_LOG = logging.getLogger(__name__)
SHOWN = 300
"""Letters of an error that nobody wrote for people."""


@contextmanager
def reading(name: str, folder: Path) -> Iterator[None]:
    """Answer 409, with the reason, where the files of a run are not as they should be.

    Raises:
        Problem: they are not, or it was raised inside.
        StoreAway: this was raised inside, and is not the run's fault.
    """
    try:
        yield
    except (Problem, StoreAway):
        raise
    except Exception as error:
        raise Problem(409, "unreadable-run", "This run cannot be read", said(error, folder, name)) from None


def said(error: Exception, folder: Path, name: str) -> str:
    """The words of an error with the run's name in the place of its folder, which is nobody's business.

    What was not written for people goes to the log as well, with where it happened.
    """
    words = str(error)
    if not isinstance(error, SegueError):
        places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
        ours = [f"{file}:{line}" for file, line in places if "segue" in file]
        words = f"{name} is damaged: {type(error).__name__}: {words[:SHOWN]}"
        _LOG.warning("%s (%s)", words, ", ".join(ours[-1:]))
    return words.replace(str(folder), name).encode("utf-8", "replace").decode()
