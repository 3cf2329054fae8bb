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
        ({"schedule": "cosine", "reached": True}, [1.0, 0.75, 0.25, 0.0]),
        ({"schedule": "linear", "warmup_steps": 1, "reached": True, "floor": 0.2}, [0.5, 1.0, 0.6, 0.2]),
        ({"warmup_steps": 500}, [0.25, 0.5, 0.75, 1.0]),
    ],
)
def test_the_rate_of_four_steps(settings: dict, wanted: list[float]) -> None:
    optimizer = AdamW(rate=1.0).changed(settings)
    assert [optimizer.rate_at(step, 4) for step in range(4)] == pytest.approx(wanted, abs=1e-6)


def test_after_five_hundred_steps_the_rate_is_at_its_height_and_in_the_last_at_its_least() -> None:
    """GPSD's course: 5e-3 to 5e-4, both exactly."""
    optimizer = AdamW(rate=5e-3, schedule="cosine", warmup_steps=500, floor=0.1, reached=True)
    rates = [optimizer.rate_at(step, 4_000) for step in range(4_000)]
    assert rates[500] == max(rates) == 5e-3
    assert rates[-1] == min(rates[500:]) == 5e-4
    assert rates[499] < rates[500] > rates[501]


def test_matrices_decay_and_vectors_do_not() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    matrices, vectors = AdamW(decay=0.1).build(model).param_groups
    assert matrices["weight_decay"] == 0.1
    assert [tuple(p.shape) for p in matrices["params"]] == [(3, 2)]
    assert vectors["weight_decay"] == 0.0
    assert [tuple(p.shape) for p in vectors["params"]] == [(3,), (3,), (3,)]
