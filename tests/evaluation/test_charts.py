"""Drawings that are well-formed, stay inside their frame and say in words what they show."""

import math
import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.evaluation.charts import WIDTH, decile_chart, interval_chart, line_chart, short, signed, ticks


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
