"""What was said against what came."""

import numpy as np
import pytest

from segue.evaluation.reliability import BINS, bins_of, gaps, reliability, reliability_chart


def test_bins_are_equally_full():
    rng = np.random.default_rng(0)
    assert np.bincount(bins_of(rng.random(400))).tolist() == [20] * BINS


def test_equal_probabilities_share_a_bin():
    assert len(np.unique(bins_of(np.full(100, 0.3)))) == 1


def test_the_curve_by_hand():
    curve = reliability(np.array([0.2, 0.2, 0.2, 0.2, 0.7, 0.7]), np.array([1, 0, 0, 0, 1, 1]) == 1)
    assert curve.predicted == pytest.approx([0.2, 0.7])
    assert curve.observed == pytest.approx([0.25, 1.0])
    assert curve.counts == [4, 2]


def test_gaps_add_up_to_the_distance_of_each_bin():
    probabilities, positive = np.array([0.2] * 4 + [0.7] * 2), np.array([1, 1, 0, 0, 1, 0]) == 1
    assert gaps(probabilities, positive).sum() == pytest.approx(4 * 0.3 + 2 * 0.2)


def test_who_says_the_truth_is_near_the_line():
    rng = np.random.default_rng(1)
    said = rng.random(40_000)
    positive = rng.random(40_000) < said
    assert gaps(said, positive).mean() < 0.015
    assert gaps(said**2, positive).mean() > 0.1


def test_the_chart_shows_each_bin_and_the_line_of_agreement():
    curve = reliability(np.linspace(0.01, 0.4, 200), np.arange(200) % 4 == 0)
    drawn = reliability_chart(curve, "click")
    assert drawn.count("<circle") == BINS
    assert drawn.count('class="axis"') == 1
    assert "nan" not in drawn
    assert "click" in drawn
