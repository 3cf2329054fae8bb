"""What can go wrong for a person: each error says what was expected, what came and what to do."""

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


def in_words(error: BaseException) -> str:
    """One line for a person: what went wrong and what to do, also of an error that is not Segue's own."""
    if isinstance(error, SegueError):
        return str(error)
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, MemoryError):
        return f"the memory does not suffice ({str(error).splitlines()[0] if str(error) else 'no more is free'})."
    if isinstance(error, RecursionError):
        return "a file is nested too deeply to be read."
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _of_system(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    text = str(error)
    if error.errno == errno.ENOSPC or "No space left" in text or error.errno == errno.EDQUOT:
        return (
            f"{place}the disk is full. Free some space and run the same command again; a fit goes on with --resume "
            "from what was saved."
        )
    if error.errno == errno.EFBIG:
        return f"{place}the file would be larger than the system allows (ulimit -f)."
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{place}too many files are open at once; allow more with: ulimit -n 4096"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{place}may not be written or read ({error.strerror}); choose another place, such as --out FOLDER."
    return f"{place}{error.strerror or text.splitlines()[0]}."
