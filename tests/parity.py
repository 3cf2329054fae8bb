"""A batch of requests whose histories are shared, for tests of rankers."""

import numpy as np

from segue.core.impressions import RankingBatch
from segue.data.passes import SharedHistory
from segue.testing import parity_requests

WORLD = parity_requests(users=6)


def parity_batch(history: int = 20) -> RankingBatch:
    """All requests that are learnt from: 6 rows, each asked after 0, 3, 6 and 9 events."""
    batches = SharedHistory(history=history, slack=0 if history < 9 else 20)
    passes = batches.passes(WORLD.learnt)
    return batches.batch(passes, np.arange(len(passes)))
