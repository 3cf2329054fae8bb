"""The check of rankers lets an honest one pass and catches each fault that it is there for."""

from typing import Literal

import pytest
import torch

from segue.core.errors import RunError
from segue.core.impressions import UNKNOWN
from segue.core.ranking_recipe import RankingRecipe
from segue.data.passes import SharedHistory
from segue.layers.click_model import ClickModel, ClickModelPart
from segue.objectives.action_likelihood import ActionLikelihood
from segue.procedures.supervised_ranking import SupervisedRanking
from segue.recipes import din
from segue.testing import check_ranker
from segue.training.loop import Loop


class Suspect(ClickModelPart):
    """The log odds are the products of the candidate with the mean of its history, and one fault may be added."""

    width: int = 4
    fault: Literal["", "labels", "own", "ahead", "deaf", "crowd", "order", "stranger", "forgetful"] = ""

    def build(self, backbone, schema, facts, length):
        return SuspectModel(self, schema, facts)


class SuspectModel(ClickModel):
    def __init__(self, part: Suspect, schema, facts) -> None:
        super().__init__(part, schema, facts)
        self.fault = part.fault
        self.weights = torch.nn.Parameter(torch.ones(len(schema.tasks)))
        self.secret = torch.randn(len(schema.tasks))  # no buffer: it is not saved

    def read(self, batch):
        return self.events(batch).sum(1)

    def judge(self, batch, history):
        candidates = self.fields(batch).sum(1)
        seen = self.mean(history, batch)
        if self.fault == "ahead":  # everything in the pass, whoever asks
            seen = self.mean(history, _all(batch))
        if self.fault == "own":  # what was done with the very impression
            told = torch.cat([batch.actions, torch.zeros_like(batch.actions[:1])])[batch.places]
            seen = seen + told @ self.done.table
        if self.fault == "deaf":
            seen = torch.ones_like(seen)
        if self.fault == "crowd":
            candidates = candidates + candidates.mean(0)
        if self.fault == "stranger" and not self.training:
            seen = seen / batch.candidates.at[:, None].clamp_max(1)
        logits = (candidates * seen).sum(-1, keepdim=True) * 300 * self.weights
        if self.fault == "labels":
            logits = logits + (batch.labels == UNKNOWN)
        if self.fault == "order":
            logits = logits + torch.arange(len(logits))[:, None].float().sin()
        if self.fault == "forgetful":
            logits = logits + self.secret
        return logits


def _all(batch):
    owners = batch.candidates.owners
    lengths = batch.events.rows.lengths[owners]
    return type(batch)(**{**vars(batch), "candidates": batch.candidates._replace(at=lengths)})


def recipe(fault: str) -> RankingRecipe:
    return RankingRecipe(
        name="suspect",
        paper=din.RECIPE.paper,
        batches=SharedHistory(history=20, slack=20),
        model=Suspect(fault=fault),
        objective=ActionLikelihood(),
        procedure=SupervisedRanking(loop=Loop(epochs=1)),
    )


def test_an_honest_ranker_passes() -> None:
    check_ranker(recipe(""), right=0.0, users=20)


def test_who_learns_nothing_is_caught() -> None:
    with pytest.raises(AssertionError, match="is asked"):
        check_ranker(recipe(""), right=0.99, users=20)


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        ("labels", "labels are looked at"),
        ("own", "what was done in a request, or after it, is seen"),
        ("ahead", "what was done in a request, or after it, is seen"),
        ("deaf", "what was done in the history changes nothing"),
        ("crowd", "change an answer"),
        ("order", "change an answer"),
        ("stranger", "probability is not a number"),
        ("forgetful", "saving and loading changed the answers"),
    ],
)
def test_a_faulty_ranker_is_caught(fault: str, wanted: str) -> None:
    with pytest.raises((AssertionError, RunError), match=wanted):
        check_ranker(recipe(fault), right=0.0, users=20)
