"""What is left of a fit that ends before its end, and the command that goes on with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segue.core.errors import RunError, in_words
from segue.training.loop import LATEST
from segue.workflows import runs


@contextmanager
def kept(folder: Path) -> Iterator[None]:
    """Inside the block a run folder is written; whatever cuts it off says what is kept and how to go on.

    Raises:
        RunError: in the place of an error of the operating system, such as a full disk, or of a lack of memory.
        KeyboardInterrupt: with words, after Ctrl-C.
    """
    try:
        yield
    except OSError as error:
        raise RunError(f"{in_words(error)} {left_in(folder)}") from error
    except MemoryError as error:
        raise RunError(f"there is not enough memory ({error}). {left_in(folder)}") from error
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(f"stopped. {left_in(folder)}") from stop


def left_in(folder: Path) -> str:
    """What a run folder keeps of a fit that has not ended, and what to do."""
    if not (folder / runs.RECIPE).exists():
        return "Nothing was learnt yet; run the same command again."
    if (folder / runs.WEIGHTS).exists():
        return f"The training is done and kept; have it measured with: {runs.resuming(folder)}"
    if any(folder.rglob(Path(LATEST).name)):
        return f"What was learnt up to the last checkpoint is kept; go on with: {runs.resuming(folder)}"
    return f"Nothing was learnt yet; start again with: {runs.resuming(folder)}"
