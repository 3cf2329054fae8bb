"""Two rankings of the same model, compared by hand."""

import math

import numpy as np
import pytest

from segue.core.ranking import NOTHING, Ranking
from segue.evaluation.beam_gap import BeamGap
from segue.evaluation.metric import Targets


def ranking(*rows: list[int]) -> Ranking:
    items = np.array(rows)
    return Ranking(items, np.zeros(items.shape, dtype=np.float32))


def gap(beam: Ranking, exact: Ranking, targets: list[int]) -> BeamGap:
    wanted = Targets(np.array(targets), np.arange(len(targets) + 1))
    masses = {
        "beam": np.linspace(0.2, 0.4, len(targets)),
        "exact": np.full(len(targets), 0.5),
        "inside": np.full(len(targets), 0.9),
    }
    return BeamGap.of(beam, exact, wanted, masses, {"beam": 1.0, "exact": 8.0})


def test_what_the_beam_lost_by_hand() -> None:
    found = gap(ranking([1, 2], [5, 6]), ranking([1, 3], [6, 5]), targets=[3, 5])
    assert found.users == 2
    assert found.k == 2
    # user 0: the beam misses item 3, which is second in truth; user 1: item 5 is first for the beam, second in truth
    assert found.beam.metrics == pytest.approx({"HR@2": 0.5, "NDCG@2": 0.5})
    assert found.exact.metrics == pytest.approx({"HR@2": 1.0, "NDCG@2": 1 / math.log2(3)})
    assert found.overlap == pytest.approx((1 / 2 + 2 / 2) / 2)
    assert found.other_first == 0.5
    assert found.beam.mass == pytest.approx(0.3)
    assert found.exact.mass == pytest.approx(0.5)
    assert found.inside == pytest.approx(0.9)


def test_empty_places_are_no_common_items() -> None:
    found = gap(ranking([1, NOTHING]), ranking([1, NOTHING]), targets=[1])
    assert found.overlap == 1.0
    assert gap(ranking([NOTHING, NOTHING]), ranking([1, NOTHING]), targets=[1]).overlap == 0.0


def test_one_line_says_it() -> None:
    words = gap(ranking([1, 2], [5, 6]), ranking([1, 3], [6, 5]), targets=[3, 5]).words()
    assert "NDCG@2 0.5000, exact 0.6309 (2 users)" in words
    assert "75.0% of the 2 the same" in words
    assert "10.0% of the probability on tuples that no item has · 1 s, exact 8 s" in words
