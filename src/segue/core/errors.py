"""What can go wrong for a person: each error says what was expected, what came and what to do."""


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
