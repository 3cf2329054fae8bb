"""How far two answers are apart, by hand."""

import numpy as np
import pytest
from torch import nn

from segue.export.cases import Cases
from segue.export.graph import Graph, Port
from segue.export.parity import largest_difference, relative

INF = np.inf


def test_a_difference_is_relative_to_the_largest_number_of_its_row() -> None:
    expected = np.array([[1.0, -4.0], [100.0, 0.5]])
    for found, wanted in (([[1.0, -3.8], [100.0, 0.5]], 0.05), ([[1.0, -4.0], [100.0, 0.7]], 0.002)):
        assert relative(np.array(found), expected) == pytest.approx(wanted)


def test_infinite_numbers_must_be_in_the_same_places() -> None:
    expected = np.array([[1.0, -INF]])
    assert relative(np.array([[1.0, -INF]]), expected) == 0.0
    assert relative(np.array([[1.0, -9.0]]), expected) == INF
    assert relative(np.array([[np.nan, -INF]]), expected) == INF
    assert relative(np.array([[-INF, -INF]]), expected) == INF


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ([5, 6, 7], 0.0),
        ([5, 7, 6], 0.05),  # the scores of those that changed places are 0.1 apart, the largest is 2
        ([6, 5, 7], 0.45),
        ([5, 6, 8], 0.0),  # one that is not in the list is as good as its last
        ([5, 8, 7], 0.05),
        ([5, 6, -1], INF),
    ],
)
def test_items_that_changed_places_must_have_had_equal_scores(found: list[int], wanted: float) -> None:
    ports = [Port(name=name, dtype="float32", shape=("users", 3), meaning="") for name in ("found", "scores")]
    graph = Graph(nn.Identity(), "items", (), tuple(ports), None)
    scores = np.array([[-1.0, -1.9, -2.0]], dtype=np.float32)
    cases = Cases(
        {"lengths": np.array([2]), "items": np.array([[1, 2]])},
        {"found": np.array([[5, 6, 7]]), "scores": scores},
    )
    assert largest_difference(graph, cases, lambda _: [np.array([found]), scores]) == pytest.approx(wanted, rel=1e-5)


def test_an_answer_of_another_shape_is_infinitely_far() -> None:
    port = Port(name="scores", dtype="float32", shape=("users", 3), meaning="")
    graph = Graph(nn.Identity(), "scores", (), (port,), None)
    cases = Cases({"lengths": np.array([1]), "items": np.array([[1]])}, {"scores": np.ones((1, 3))})
    assert largest_difference(graph, cases, lambda _: [np.ones((1, 2))]) == INF
