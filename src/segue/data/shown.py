"""What users were shown together with what they took, as far as somebody who trains may know it."""

from __future__ import annotations

import numpy as np

from segue.core.shapes import Int
from segue.core.tables import Split
from segue.data.requests import request_spans


def shown_beside(
    split: Split, users: Int[np.ndarray, " asked"], events: Int[np.ndarray, " asked"], gap: int = 600
) -> Int[np.ndarray, "asked widest"]:
    """The exposures of the request that each event (of these users) came from, -1 behind the end of a row.

    What was shown when the user's first held-out event happened, or later, is left out: it would tell the answer.
    Without times, so is the whole request of that event and all after it.

    Raises:
        DataError: the dataset does not say what was shown, or not when.
    """
    dataset, train = split.dataset, split.train
    spans = request_spans(dataset, events, gap)
    first, stops = spans[:, :1], spans[:, 1:]
    rows = first + np.arange(int((stops - first).max(initial=0)))
    known = rows < stops
    rows = np.where(known, rows, first)
    held = np.full(len(dataset.log.offsets) - 1, -1)  # by user: the first event that was held out
    some = train.ends < dataset.log.offsets[train.users + 1]
    held[train.users[some]] = train.ends[some]
    held = held[users]
    assert dataset.exposures is not None
    times, shown = dataset.log.timestamps, dataset.exposures.timestamps
    if times is not None and shown is not None:
        known &= (shown[rows] < times[held][:, None]) | (held < 0)[:, None]
    else:
        known &= (rows < request_spans(dataset, held.clip(0), gap)[:, :1]) | (held < 0)[:, None]
    return np.where(known, rows, -1)
