import numpy as np
import torch

from segue.core.tables import Histories
from segue.data.cooccurrence import common_users


def test_counts_are_those_of_the_incidence_matrix_and_repeats_count_once() -> None:
    rng = np.random.default_rng(0)
    histories = [rng.integers(0, 13, rng.integers(0, 20)).tolist() for _ in range(40)]
    has = np.zeros((40, 13))
    for user, items in enumerate(histories):
        has[user, items] = 1
    blocks = [common for _, common in common_users(Histories.from_lists(histories), 13, 5)]
    assert [block.shape[1] for block in blocks] == [5, 5, 3]
    assert np.array_equal(torch.cat(blocks, dim=1).numpy(), has.T @ has)
