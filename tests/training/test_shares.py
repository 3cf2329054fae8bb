"""The share of the drafts: the values of the published schedule, and its controls."""

import pytest

from segue.training.shares import FixedShare, LinearShare, SelfAdaptive, Shares, Staged

TABLE = {
    1.1: (1.0, 1.0, 1.0, 1.0),
    1.0: (1.0, 1.0, 1.0, 1.0),
    0.9: (0.990050, 0.904837, 0.367879, 4.5e-05),
    0.75: (0.975310, 0.778801, 0.082085, 0.0),
    0.5: (0.951229, 0.606531, 0.006738, 0.0),
}
"""By d / d_0: exp(alpha * (d / d_0 - 1)), at most 1, for alpha 0.1, 1, 10 and 100."""
ALPHAS = (0.1, 1.0, 10.0, 100.0)


@pytest.mark.parametrize(("ratio", "values"), TABLE.items())
def test_values_by_hand(ratio: float, values: tuple[float, ...]) -> None:
    found = [SelfAdaptive(alpha=alpha).share(2, 7, [2.0, 2.0 * ratio]) for alpha in ALPHAS]
    assert found == pytest.approx(values, abs=5e-7)
    assert all(0 < share <= 1 for share in found)
    assert found == sorted(found, reverse=True)  # a larger alpha leaves fewer drafts


def test_the_first_epoch_is_drafts_alone_whatever_alpha() -> None:
    assert [SelfAdaptive(alpha=alpha).share(1, 7, [3.7]) for alpha in (0.0, *ALPHAS)] == [1.0] * 5


def test_the_distance_that_counts_is_that_of_the_epoch_before() -> None:
    distances = [4.0, 3.0, 2.0]
    assert SelfAdaptive().share(2, 7, distances) == pytest.approx(0.778801, abs=5e-7)
    assert SelfAdaptive().share(3, 7, distances) == pytest.approx(0.606531, abs=5e-7)


@pytest.mark.parametrize(
    ("shares", "course"),
    [
        (FixedShare(value=0.3), [0.3, 0.3, 0.3, 0.3, 0.3]),
        (FixedShare(), [1.0, 1.0, 1.0, 1.0, 1.0]),
        (LinearShare(), [1.0, 0.75, 0.5, 0.25, 0.0]),
        (Staged(epochs=2), [1.0, 1.0, 0.0, 0.0, 0.0]),
        (Staged(epochs=0), [0.0, 0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_controls_need_no_distances(shares: Shares, course: list[float]) -> None:
    assert [shares.share(epoch, 5, []) for epoch in range(1, 6)] == pytest.approx(course)
    assert not shares.needs_distances


def test_one_epoch_alone_is_drafts() -> None:
    assert LinearShare().share(1, 1, []) == 1.0
