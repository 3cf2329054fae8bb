"""The dataset that a preparation describes, prepared once and found again."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

from segue.core.errors import DataError
from segue.core.tables import Dataset
from segue.core.whole import sweep
from segue.data.preparation import Preparation
from segue.data.prepare import Progress, file_identity, prepare, readable_name
from segue.data.sources import open_log
from segue.data.store import VERSION, is_prepared, load

log = logging.getLogger(__name__)


def open_dataset(preparation: Preparation, cache: Path, progress: Progress | None = None) -> Dataset:
    """A prepared folder is loaded as it is; a raw path is prepared into `cache`, or found there from an earlier time.

    The place in the cache depends on the files (path, size, time of change) and on the settings.

    Raises:
        DataError: the path is neither.
    """
    path = Path(preparation.path)
    if is_prepared(path):
        changed = preparation.changed({"path": ""}) != Preparation(path="")
        if changed:
            log.warning("%s is prepared already: the settings of the preparation are not applied to it", path)
        return load(path)
    folder = cache / _key(preparation)
    damaged = False
    if is_prepared(folder):
        try:
            dataset = load(folder)
            log.info("%s: using what was prepared in %s", path, folder)
            return dataset
        except DataError as error:
            log.warning("%s It is prepared anew.", error)
            damaged = True
    sweep(cache)
    return prepare(preparation, folder, progress, name=readable_name(path), replace=damaged)


def _key(preparation: Preparation) -> str:
    path = Path(preparation.path).resolve()
    settings = {key: value for key, value in preparation.dump().items() if key != "memory_gb"} | {"path": str(path)}
    files = list(open_log(path, preparation.asked, preparation.source, preparation.history).files)
    # A catalogue beside the log belongs to the result as well.
    beside = [file for file in sorted({file.parent for file in files}.pop().iterdir()) if file.is_file()]
    identities = [file_identity(file.resolve(), content=False) for file in dict.fromkeys([*files, *beside])]
    text = json.dumps([VERSION, settings, identities], sort_keys=True)
    return f"{readable_name(path)}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
