"""Next-word cross entropy: its value by hand, and the mixture of titles and drafts."""

import math
from dataclasses import replace

import polars as pl
import pytest
import torch

from segue.core.batches import SequenceBatch
from segue.core.forms import Loss
from segue.core.tables import Histories
from segue.core.text_forms import TextModel
from segue.kernels.linear_cross_entropy import linear_cross_entropy
from segue.objectives.next_words import NextWords
from text_stub import Stub

TITLES = ["Amber", "Birch", "Coral", "Delta"]


def batch() -> SequenceBatch:
    """Three rows, whose last targets are 2, 3 and 1."""
    return SequenceBatch.of(Histories.from_lists([[0, 1, 2], [1, 3], [3, 2, 0, 1]]), targets=True)


def mixed(model: Stub, texts: list[str], share: float) -> SequenceBatch:
    return replace(batch(), responses=model.responses(pl.Series(texts)), share=share)


def loss(model: Stub, asked: SequenceBatch) -> Loss:
    return NextWords()(model, asked, torch.Generator())


def gradients(model: Stub, total: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.autograd.grad(total, list(model.parameters())))


def test_the_stand_in_is_a_text_model() -> None:
    assert isinstance(Stub(TITLES), TextModel)


def test_value_by_hand() -> None:
    """A model that knows nothing gives each of five words one chance in five: ln 5 for each token."""
    model = Stub(TITLES)
    torch.nn.init.zeros_(model.words)
    found = loss(model, batch())
    assert found.count.item() == 6  # three titles of one word, and three ends
    assert found.total.item() == pytest.approx(6 * math.log(5))


def test_prompts_are_learnt_only_when_asked() -> None:
    model = Stub(TITLES)
    loss(model, batch())
    NextWords(completion_only=False)(model, mixed(model, TITLES[:3], 0.5), torch.Generator())
    assert model.asked == [
        {"own": False, "prompts": False},
        {"own": False, "prompts": True},
        {"own": True, "prompts": True},
    ]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_drafts_that_are_the_titles_change_nothing(share: float) -> None:
    model = Stub(TITLES)
    truth = [TITLES[target] for target in batch().targets[batch().rows.last].tolist()]  # type: ignore[index]
    assert loss(model, mixed(model, truth, share)).mean.item() == pytest.approx(loss(model, batch()).mean.item())


def test_each_part_is_divided_by_its_own_tokens() -> None:
    """A draft of two words is three tokens with its end; the titles have six."""
    model = Stub(TITLES)
    asked = mixed(model, ["Amber", "Birch", "Coral"], 0.25)
    assert asked.responses is not None
    longer = replace(
        asked.responses,
        tokens=torch.tensor([0, 3, 1, 2]),
        rows=replace(asked.responses.rows, offsets=torch.tensor([0, 2, 3, 4])),
    )
    asked = replace(asked, responses=longer)
    parts = []
    for own, count in ((False, 6), (True, 7)):
        states, tokens = model.answers(asked, own=own)
        assert len(tokens) == count
        parts.append(linear_cross_entropy(states, model.words, tokens) / count)
    found = loss(model, asked)
    assert found.count.item() == 3  # rows
    assert found.mean.item() == pytest.approx((0.75 * parts[0] + 0.25 * parts[1]).item())
    assert {name: note.item() for name, note in found.notes.items()} == pytest.approx(
        {"loss/titles": parts[0].item(), "loss/drafts": parts[1].item()}
    )


@pytest.mark.parametrize(("share", "own"), [(1.0, True), (0.0, False)])
def test_a_part_without_weight_is_not_computed_at_all(share: float, own: bool) -> None:
    """Then the gradient is that of the other alone, to the bit."""
    model = Stub(TITLES)
    asked = mixed(model, ["Amber", "Delta", "Birch"], share)
    found = loss(model, asked)
    assert model.asked == [{"own": own, "prompts": False}]
    states, tokens = model.answers(asked, own=own)
    alone = 3 * (linear_cross_entropy(states, model.words, tokens) / 6)
    for one, other in zip(gradients(model, found.total), gradients(model, alone), strict=True):
        assert torch.equal(one, other)
