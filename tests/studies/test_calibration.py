"""Probabilities against true values: numbers worked out by hand on three or four items."""

import numpy as np
import pytest

from segue.studies._calibration import DECADES, PER_DECADE, calibration, reliability


def of(chances: list[float], values: list[float], bins: int = 10, asked: list[bool] | None = None) -> dict[str, float]:
    where = np.array([asked or [True] * len(values)])
    found = calibration(np.log([chances]), np.array([values], dtype=float), where, bins)
    return {name: float(one[0]) for name, one in found.items()}


def test_in_proportion_to_value_everything_is_as_promised() -> None:
    found = of([0.05, 0.15, 0.2, 0.6], [0.02, 0.06, 0.08, 0.24])
    assert found["slope"] == pytest.approx(1)
    assert found["rank correlation"] == pytest.approx(1)
    assert found["calibration error"] == pytest.approx(0)


def test_the_slope_is_the_power_of_the_value() -> None:
    values = np.array([0.1, 0.2, 0.5])
    for power in (2.0, 0.5, -1.0):
        found = of(list(values**power), list(values))
        assert found["slope"] == pytest.approx(power)
        assert found["rank correlation"] == pytest.approx(np.sign(power))


def test_equal_probabilities_share_their_mean_rank() -> None:
    # ranks 1.5, 1.5, 3 and 1, 2, 3: covariance 1.5, variances 1.5 and 2
    assert of([1, 1, 2], [0.1, 0.2, 0.3])["rank correlation"] == pytest.approx(1.5 / np.sqrt(3))


def test_no_difference_says_nothing() -> None:
    found = of([1, 1, 1], [0.1, 0.2, 0.3])
    assert found == pytest.approx({"rank correlation": 0, "slope": 0, "calibration error": 0}, abs=1e-12)
    assert of([1, 2, 3], [0.2, 0.2, 0.2])["slope"] == 0


@pytest.mark.parametrize(("bins", "error"), [(1, 0.0), (2, 0.3), (10, 0.3)])
def test_the_error_is_the_probability_in_wrong_bins(bins: int, error: float) -> None:
    # promised 0.5, 0.3, 0.2 in falling order; kept 0.2, 0.3, 0.5; of two bins the first ends after the first item
    assert of([0.2, 0.3, 0.5], [0.5, 0.3, 0.2], bins)["calibration error"] == pytest.approx(error)


def test_what_is_not_asked_counts_for_nothing_and_constants_neither() -> None:
    whole = of([0.2, 0.3, 0.5], [0.5, 0.3, 0.1])
    assert of([2, 3, 900, 5], [0.5, 0.3, 0.9, 0.1], asked=[True, True, False, True]) == pytest.approx(whole)


def test_users_do_not_mix() -> None:
    rng = np.random.default_rng(0)
    chances, values, asked = rng.normal(size=(5, 20)), rng.random((5, 20)), rng.random((5, 20)) < 0.7
    together = calibration(chances, values, asked, 4)
    for row in range(5):
        alone = calibration(chances[row : row + 1], values[row : row + 1], asked[row : row + 1], 4)
        assert {name: one[row] for name, one in together.items()} == pytest.approx(
            {name: one[0] for name, one in alone.items()}
        )


def test_the_picture_has_shares_as_multiples_of_an_even_one() -> None:
    # two items: true shares 0.9 and 0.1 are 1.8 and 0.2 times an even share; the system gives both the same
    counts, shares, chances = reliability(np.log([[0.5, 0.5]]), np.array([[0.09, 0.01]]), np.ones((1, 2), dtype=bool))
    places = [int(np.floor(PER_DECADE * (np.log10(x) + DECADES))) for x in (0.2, 1.8)]
    assert np.flatnonzero(counts).tolist() == places
    np.testing.assert_allclose(shares[places], [0.2, 1.8])
    np.testing.assert_allclose(chances[places], [1, 1])
