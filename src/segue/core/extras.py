"""Optional packages, imported only where they are used."""

import importlib
from types import ModuleType

from segue.core.errors import MissingExtra


def require(package: str, *, extra: str) -> ModuleType:
    """The imported package, or an error that names the extra to install.

    Raises:
        MissingExtra: the package is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package.split(".")[0]:
            raise
        raise MissingExtra(
            f"This needs the package '{package}', which is not installed. Install it with: pip install 'segue[{extra}]'"
        ) from error
