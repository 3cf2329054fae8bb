"""Drawings that are well-formed, stay inside their frame and say in words what they show."""

import math
import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.evaluation.charts import WIDTH, decile_chart, interval_chart, line_chart, short, signed, sweep_chart, ticks


def inside(svg):
    root = ElementTree.fromstring(svg)
    height = float(root.get("viewBox").split()[3])
    for element in root.iter():
        for name in ("x", "x1", "x2", "cx"):
            assert -0.2 <= float(element.get(name, 0)) <= WIDTH
        for name in ("y", "y1", "y2", "cy"):
            assert -0.2 <= float(element.get(name, 0)) <= height
    for x, y in re.findall(r"([-\d.]+),([-\d.]+)", root.find("polyline").get("points") if "polyline" in svg else ""):
        assert 0 <= float(x) <= WIDTH
        assert 0 <= float(y) <= height
    return root


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=30))
def test_any_curve_stays_inside(points):
    inside(line_chart(sorted(points), "loss"))


def test_a_curve_says_what_it_shows_and_leaves_out_what_is_not_finite():
    root = inside(line_chart([(0.0, 4.0), (1.0, math.nan), (2.0, 2.0), (3.0, math.inf)], 'a "loss" <b>'))
    assert root.get("aria-label") == 'a "loss" <b>: from 4 to 2 over 2 points'
    assert line_chart([(0.0, math.nan)], "loss") == ""


def test_a_long_curve_is_thinned_and_ends_where_it_ends():
    svg = line_chart([(float(step), 1 / (1 + step)) for step in range(50_001)], "loss")
    assert len(svg) < 12_000
    last = ElementTree.fromstring(svg).find("circle")
    assert float(last.get("cx")) == pytest.approx(WIDTH - 10, abs=0.1)


def test_bars_are_as_tall_as_their_shares():
    root = inside(decile_chart([0.8, 0.2], [0.4, 0.6]))
    tall = {bar.find("title").text: float(bar.get("height")) for bar in root.findall("rect")}
    assert tall["80.0%"] == pytest.approx(2 * tall["40.0%"], abs=0.2)
    assert tall["60.0%"] == pytest.approx(3 * tall["20.0%"], abs=0.2)


def test_an_interval_that_leaves_out_zero_stands_out():
    root = inside(interval_chart([("sasrec", 0.02, 0.01, 0.03), ("a twin & more", 0.0, -0.01, 0.01)]))
    assert [dot.get("class") for dot in root.findall("circle")] == ["bar", "quiet"]
    assert "a twin & more 0 (\N{MINUS SIGN}0.01 to +0.01)" in root.get("aria-label")
    assert interval_chart([]) == ""


def circles(root, kind):
    return [float(dot.get("cx")) for dot in root.findall("circle") if dot.get("class") == kind]


def test_a_sweep_over_decades_is_logarithmic_and_has_a_place_for_zero():
    ours = [(0.0, 0.02, 0.0), (0.01, 0.03, 0.001), (1.0, 0.04, 0.002), (100.0, 0.01, 0.0)]
    root = inside(sweep_chart([ours, [(x, y / 2, 0.0) for x, y, _ in ours]], [1.0], "lambda"))
    zero, low, middle, high = circles(root, "dot")
    assert middle - low == pytest.approx(high - middle, abs=0.2)
    assert zero < low
    assert circles(root, "line") == [middle], "the default is ringed"
    joined = [len(line.get("points").split()) for line in root.findall("polyline")]
    assert joined == [3, 3], "no line leads to zero, which has no logarithm"
    whiskers = [line for line in root.findall("line") if line.get("class") == "line"]
    assert [float(line.get("x1")) for line in whiskers] == [low, middle]
    assert {text.text for text in root.findall("text")} >= {"0", "0.01", "1", "100"}
    assert root.get("aria-label") == "lambda: 0: 0.02; 0.01: 0.03; 1: 0.04; 100: 0.01"


def test_a_narrow_sweep_is_linear():
    root = inside(sweep_chart([[(5.0, 0.3, 0.0), (0.0, 0.1, 0.0), (1.0, 0.2, 0.1)], []], [], "trajectories"))
    zero, one, five = sorted(circles(root, "dot"))
    assert five - zero == pytest.approx(5 * (one - zero), abs=0.5)
    assert len(root.find("polyline").get("points").split()) == 3
    assert circles(root, "line") == []


def test_a_sweep_of_one_point_or_none():
    inside(sweep_chart([[], [(3.0, 0.1, 0.0)]], [3.0], "trajectories"))
    assert sweep_chart([[], []], [], "trajectories") == ""


@given(st.floats(-1e5, 1e5), st.floats(1e-3, 1e5), st.integers(2, 6))
def test_ticks_are_few_even_and_span_the_range(low, width, count):
    found = ticks(low, low + width, count)
    step = found[1] - found[0]
    assert found[0] <= low + 1e-6 * step
    assert found[-1] >= low + width - 1e-6 * step
    assert 2 <= len(found) <= count + 2


def test_numbers_on_axes():
    assert [short(value) for value in (0.0, 0.12345, 1200.0, 2_500_000.0)] == ["0", "0.123", "1.2k", "2.5M"]
    assert [signed(value) for value in (0.0, 0.01, -0.02)] == ["0", "+0.01", "\N{MINUS SIGN}0.02"]
