"""What can go wrong for a person: each error says what was expected, what came and what to do."""

from __future__ import annotations

import errno


class SegueError(Exception):
    """Every error that Segue raises on purpose; the command line prints its text and no traceback."""


class DataError(SegueError, ValueError):
    """A file, a column or a row of the user's data is not what the reader expected."""


class SettingsError(SegueError, ValueError):
    """A setting is unknown, out of range, or names a part that does not fit."""


class RunError(SegueError, RuntimeError):
    """A run folder is missing, half written, or belongs to another recipe or dataset."""


class ProtocolError(SegueError, ValueError):
    """Numbers measured under different protocols were about to be compared."""


class MissingExtra(SegueError, ImportError):
    """An optional package is needed for this and is not installed."""


def diverged(what: str) -> RunError:
    """The error of a model that gives no numbers any more."""
    return RunError(
        f"{what}: the training has diverged. Fit it again with a lower procedure.loop.optimizer.rate, with "
        "procedure.loop.clip=1, or with procedure.loop.precision=float32."
    )


def in_words(error: BaseException) -> str:
    """One line for a person: what went wrong and what to do, also of an error that is not Segue's own."""
    if isinstance(error, SegueError):
        return str(error)
    said = " ".join(str(error).split())[:300]
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename not in (None, "") else ""
        if error.errno in _REMEDIES:
            return where + _REMEDIES[error.errno]
        return f"{where}{error.strerror or said or type(error).__name__}."
    if isinstance(error, MemoryError):
        return f"there is not enough memory ({said or 'none was left'}). Set a smaller width, batch or data.memory_gb."
    if isinstance(error, RecursionError):
        return "something that was read is nested too deep for Python. Run it again with -v to see where."
    return said or type(error).__name__


_REMEDIES = {
    errno.ENOSPC: "the disk is full. Make room, or choose a place on another disk.",
    errno.EDQUOT: "your share of the disk is used up. Make room, or choose a place on another disk.",
    errno.EFBIG: "the file would be larger than is allowed here. Raise the limit (ulimit -f), or choose another disk.",
    errno.EROFS: "this disk is read-only. Choose another place.",
    errno.EACCES: "access is not allowed. Choose another place, or have the rights changed.",
    errno.EPERM: "access is not allowed. Choose another place, or have the rights changed.",
    errno.EMFILE: "too many files are open at once. Raise the limit in this shell: ulimit -n 65536.",
    errno.ENFILE: "too many files are open on this machine. Close other programs, or raise the limit.",
    errno.ENOENT: "there is no such file or folder.",
    errno.ENOTDIR: "a part of this path is a file where a folder was expected.",
    errno.EISDIR: "this is a folder where a file was expected.",
    errno.ENAMETOOLONG: "the name is too long for this disk. Choose a shorter one.",
    errno.EIO: "the disk could not be read or written. It may be failing.",
}
