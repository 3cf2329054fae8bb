"""The dataset that a preparation describes, prepared once and found again."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

from segue.core.errors import DataError
from segue.core.tables import Dataset
from segue.core.whole import sweep
from segue.data import cache as caches
from segue.data.preparation import Preparation
from segue.data.prepare import Progress, prepare, readable_name
from segue.data.sources import open_log
from segue.data.store import VERSION, is_prepared, load

log = logging.getLogger(__name__)

READING = 2
"""Raised when the same files would be read otherwise than before, so that nothing old is found for them."""


def open_dataset(preparation: Preparation, cache: Path, progress: Progress | None = None) -> Dataset:
    """A prepared folder is loaded as it is; a raw path is prepared into `cache`, or found there from an earlier time.

    The place in the cache depends on the contents of the files that are read, and on the settings.

    Raises:
        DataError: the path is neither.
    """
    path = Path(preparation.path)
    if is_prepared(path):
        changed = preparation.changed({"path": ""}) != Preparation(path="")
        if changed:
            log.warning("%s is prepared already: the settings of the preparation are not applied to it", path)
        return load(path)
    folder = cache / _key(preparation, cache)
    damaged = False
    if is_prepared(folder):
        try:
            dataset = load(folder)
            log.info("%s: using what was prepared in %s", path, folder)
            caches.touch(folder)
            return dataset
        except DataError as error:
            log.warning("%s It is prepared anew.", error)
            damaged = True
    sweep(cache)
    dataset = prepare(preparation, folder, progress, name=readable_name(path), replace=damaged)
    for gone in caches.shrink(cache, folder):
        log.info("the cache was too large: %s was removed from it", gone.folder)
    return dataset


def _key(preparation: Preparation, cache: Path) -> str:
    path = Path(preparation.path).resolve()
    settings = {key: value for key, value in preparation.dump().items() if key != "memory_gb"} | {"path": str(path)}
    raw = open_log(path, preparation.asked, preparation.source, preparation.history)
    files = dict.fromkeys(file.resolve() for file in [*raw.files, *raw.beside])
    text = json.dumps([VERSION, READING, settings, caches.contents(list(files), cache)], sort_keys=True)
    return f"{readable_name(path)}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
