"""The learning rate's course, and what decays."""

import pytest
from torch import nn

from segue.training.optim import AdamW


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, [1.0, 1.0, 1.0, 1.0]),
        ({"warmup": 0.5}, [1 / 3, 2 / 3, 1.0, 1.0]),
        ({"schedule": "linear"}, [1.0, 0.75, 0.5, 0.25]),
        ({"schedule": "linear", "warmup": 0.5}, [1 / 3, 2 / 3, 1.0, 0.5]),
        ({"schedule": "linear", "floor": 0.2}, [1.0, 0.8, 0.6, 0.4]),
        ({"schedule": "cosine"}, [1.0, 0.853553, 0.5, 0.146447]),
    ],
)
def test_the_rate_of_four_steps(settings: dict, wanted: list[float]) -> None:
    optimizer = AdamW(rate=1.0).changed(settings)
    assert [optimizer.rate_at(step, 4) for step in range(4)] == pytest.approx(wanted, abs=1e-6)


def test_matrices_decay_and_vectors_do_not() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    matrices, vectors = AdamW(decay=0.1).build(model).param_groups
    assert matrices["weight_decay"] == 0.1
    assert [tuple(p.shape) for p in matrices["params"]] == [(3, 2)]
    assert vectors["weight_decay"] == 0.0
    assert [tuple(p.shape) for p in vectors["params"]] == [(3,), (3,), (3,)]
