"""A law a + b x^-c: found again where it holds, and modest where it cannot be seen."""

import numpy as np
import pytest

from segue.evaluation.scaling import Law, fit_law
from segue.evaluation.scaling_chart import scaling_chart

SIZES = np.array([13_408, 53_536, 213_568, 803_968, 3_213_568, 25_305_600, 84_953_856, 303_612_928], dtype=float)


@pytest.mark.parametrize(
    ("asymptote", "scale", "exponent"), [(0.7097, -0.7553, 0.2364), (0.3695, 0.1420, 0.1915)], ids=["AUC", "loss"]
)
def test_the_published_laws_are_found_again_from_their_own_values(asymptote, scale, exponent) -> None:
    law = fit_law(SIZES, asymptote + scale * SIZES**-exponent)
    assert law is not None
    assert law.settled
    assert law.asymptote == pytest.approx(asymptote, abs=1e-4)
    assert law.exponent == pytest.approx(exponent, rel=1e-3)
    assert law.scale == pytest.approx(scale, rel=1e-2)
    assert law.error < 1e-6


def test_points_of_the_paper_s_figure_give_nearly_its_law() -> None:
    """Digitised AUCs of the scaling figure, each within 0.0005."""
    seen = np.array([0.6306, 0.6488, 0.6693, 0.6811, 0.6894, 0.6952, 0.7005, 0.7017])
    law = fit_law(SIZES, seen)
    assert law is not None
    assert law.asymptote == pytest.approx(0.7097, abs=0.005)
    assert law.exponent == pytest.approx(0.2364, abs=0.04)
    assert law.error < 0.002


def test_seeds_of_one_size_are_fitted_together() -> None:
    sizes = np.array([1.0, 4.0, 16.0])
    values = 2.0 + 3.0 / np.sqrt(sizes)
    law = fit_law(np.tile(sizes, 2), np.concatenate([values - 0.01, values + 0.01]))
    assert law is not None
    assert law.exponent == pytest.approx(0.5, rel=1e-3)
    assert law.error == pytest.approx(0.01, rel=1e-3)
    assert law.at(4.0) == pytest.approx(3.5, abs=1e-3)


def test_a_straight_line_over_the_logarithm_is_said_to_have_no_bend() -> None:
    law = fit_law(SIZES, 0.5 + 0.01 * np.log(SIZES))
    assert law is not None
    assert not law.settled
    assert "no bend" in law.words()


def test_two_sizes_are_too_few() -> None:
    assert fit_law(np.array([1.0, 2.0, 2.0]), np.array([1.0, 0.5, 0.6])) is None


def test_words() -> None:
    law = Law(asymptote=0.7097, scale=-0.7553, exponent=0.2364, error=0.0, settled=True)
    assert law.words() == "0.7097 \N{MINUS SIGN} 0.7553 x^-0.236"


def test_the_picture_has_a_dot_a_size_a_curve_a_law_and_says_its_means() -> None:
    points = {"nt": [(10.0, 0.5), (10.0, 0.7), (100.0, 0.6), (1000.0, 0.6)], "st_sf": [(10.0, 0.5)]}
    laws = {"nt": fit_law(*np.array(points["nt"]).T), "st_sf": None}
    drawn = scaling_chart(points, laws, "AUC")
    assert drawn.count("<circle") == 4
    assert drawn.count("<polyline") == 1
    assert "nt 10: 0.6000" in drawn
    centres = [float(part.split('"')[0]) for part in drawn.split('cx="')[1:]]
    assert centres[1] - centres[0] == pytest.approx(centres[2] - centres[1], abs=0.2)  # decades are equally wide
    assert scaling_chart({}, {}, "AUC") == ""
