"""A token system asked twice: by its beam, and exactly."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from evaluation.coded import Given
from segue.core.codes import ItemCodes
from segue.core.ranking import Rules
from segue.core.recipe import FittedModel
from segue.core.run import Run
from segue.core.tables import Cases, Catalog, Histories
from segue.decoding.beam_search import BeamSearch
from segue.workflows import beam_gap as workflow
from segue.workflows.beam_gap import beam_gap
from workflows.small_tokens import RECIPE


class Uneven:
    """Code 0 has 0.55, in halves for items 0 and 1; code 1 has 0.45, of it 0.8 for item 2 and 0.2 for no item.

    So a beam of one takes code 0, and misses the best item, number 2."""

    whole = True

    def __init__(self) -> None:
        self.codes = ItemCodes(np.array([[0, 0], [0, 1], [1, 0]]), (2, 2))
        self.tree, self.history = self.codes.tree, 10
        self.item_codes = torch.from_numpy(self.codes.codes)
        self.first = torch.tensor([0.55, 0.45])
        self.second = torch.tensor([[0.5, 0.5], [0.8, 0.2]])

    def codebook(self, level: int) -> tuple[torch.Tensor, int]:
        return torch.eye(2), 0

    def begin(self, batch: Any) -> "Prefixes":
        return Prefixes(self, torch.log(self.first).expand(len(batch), 1, 2), 0)

    def answers_and_states_of(self, batch: Any, items: Any, at: Any, positive: bool = False) -> Any:
        raise NotImplementedError

    def answers(self, batch: Any) -> Any:
        raise NotImplementedError

    def states_of(self, batch: Any, items: Any) -> Any:
        raise NotImplementedError


class Prefixes:
    def __init__(self, model: Uneven, states: torch.Tensor, level: int) -> None:
        self.model, self.states, self.level = model, states, level

    def extended(self, parents: torch.Tensor, codes: torch.Tensor) -> "Prefixes":
        return Prefixes(self.model, torch.log(self.model.second)[codes], self.level + 1)


def fitted(beams: int) -> FittedModel:
    catalog = Catalog(pl.DataFrame({"item_id": ["a", "b", "c"]}))
    model = Uneven()
    recipe = RECIPE.changed({"decoder": BeamSearch(beams=beams)})
    return FittedModel(recipe, catalog, model, torch.ones(3), tokenizer=Given([[0, 0], [0, 1], [1, 0]], (2, 2)))


def cases(users: int = 12) -> Cases:
    """Everybody took item 0 and then item 2; the last one has no history at all."""
    taken = Histories.from_lists([[0, 2]] * users + [[2]])
    return Cases(replace(taken, ends=taken.ends - 1), taken.ends)


def test_a_narrow_beam_misses_what_the_exact_ranking_finds() -> None:
    found = beam_gap(fitted(beams=1), cases(), k=1, longest=1, rules=Rules(seen=True), run=Run())
    assert found is not None
    assert found.users == 12  # nobody is asked who has no history
    assert found.exact.metrics["HR@1"] == 1.0
    assert found.beam.metrics["HR@1"] == 0.0
    assert found.other_first == 1.0
    assert found.overlap == 0.0
    assert found.beam.mass == pytest.approx(0.55 * 0.5)
    assert found.exact.mass == pytest.approx(0.45 * 0.8)
    assert found.inside == pytest.approx(0.55 + 0.45 * 0.8)


def test_a_beam_as_wide_as_the_catalogue_loses_nothing_under_the_same_rules() -> None:
    found = beam_gap(fitted(beams=3), cases(), k=2, longest=3, rules=Rules(seen=False), run=Run())
    assert found is not None
    assert found.overlap == 1.0
    assert found.other_first == 0.0
    assert found.beam.metrics == found.exact.metrics
    assert found.exact.mass == pytest.approx(0.55 * 0.5 + 0.45 * 0.8)  # item 0 was seen, so items 1 and 2


def test_a_large_catalogue_asks_fewer_users_and_a_very_large_one_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow, "WORK", 33)
    found = beam_gap(fitted(beams=3), cases(), k=1, longest=1, rules=Rules(), run=Run())
    assert found is not None
    assert found.users == 11
    monkeypatch.setattr(workflow, "WORK", 27)
    assert beam_gap(fitted(beams=3), cases(), k=1, longest=1, rules=Rules(), run=Run()) is None


def test_lists_are_as_long_as_in_the_report_because_a_beam_grows_with_them() -> None:
    found = beam_gap(fitted(beams=1), cases(), k=1, longest=2, rules=Rules(seen=True), run=Run())
    assert found is not None
    assert found.beam.metrics["HR@1"] == 1.0
