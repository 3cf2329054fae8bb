"""Our HSTU at Meta's public ML-1M setting: sequences trained per second, or validation NDCG@10 by seconds of training.

The recipe `hstu`: 200 items, 50 wide, 2 layers, 1 head, 128 sampled negatives (one draw a batch), temperature 0.05,
bias from relative position and from the seconds up to the event to be predicted, computed in every layer. The times
are placeholders (a minute between events), as in `peers/meta_hstu.py`, because half of the public copy has none;
speed does not depend on them. For `--mode quality` they carry nothing, so nothing of the target's time is known.
"""

from dataclasses import replace

import numpy as np

from benchmarks.measuring import begin
from benchmarks.ours.sasrec import measure_quality, measure_rate, planned, training_arguments
from segue.core.tables import Histories, Split

SETTINGS = {"batches.history": 200, "batches.users": 128, "batches.target_time": True}


def main() -> None:
    given = begin(training_arguments(__doc__ or ""))
    recipe, split = planned("hstu", given, SETTINGS)
    split = with_minutes(split)
    settings = {"width": 50, "blocks": 2, "heads": 1, "length": 200, "batch": 128, "negatives": 128, "times": "minutes"}
    measure = measure_rate if given.mode == "rate" else measure_quality
    measure(given, "segue_hstu", recipe, split, settings)


def with_minutes(split: Split) -> Split:
    """The split with a minute between neighbouring events of the log."""

    def timed(histories: Histories) -> Histories:
        return replace(histories, timestamps=60 * np.arange(len(histories.items)))

    cases = replace(split.validation, histories=timed(split.validation.histories)).timed()
    return replace(split, train=timed(split.train), validation=cases)


if __name__ == "__main__":
    main()
