"""What click models are told, and answers in pieces."""

import torch

from parity import WORLD, parity_batch
from segue.layers import click_model
from segue.layers.click_model import ClickModel, ClickModelPart


class Plain(ClickModelPart):
    width: int = 4
    recent: int = 5

    def build(self, backbone, schema, facts, length):
        facts = {name: torch.from_numpy(values) for name, values in facts.items()}
        return PlainModel(self, schema, facts)


class PlainModel(ClickModel):
    """The log odds are the mean of all vectors, once for each task."""

    def read(self, batch):
        return self.events(batch)

    def judge(self, batch, history):
        vectors = torch.cat([self.fields(batch), self.mean(history, batch)], dim=1)
        return vectors.mean(dim=(1, 2))[:, None].expand(-1, len(self.schema.tasks))


def model_of(**settings) -> ClickModel:
    torch.manual_seed(0)
    return Plain(**settings).build(None, WORLD.schema, WORLD.item_features, 20).eval()


def test_a_candidate_has_vectors_of_item_facts_user_and_place() -> None:
    batch, model = parity_batch(), model_of()
    fields = model.fields(batch)
    assert click_model.count(WORLD.schema) == (5, 3)
    assert fields.shape == (len(batch.items), 5, 4)
    assert torch.equal(fields[:, 0], model.items.table.weight[batch.items])


def test_actions_are_added_to_the_item_and_scale_everything() -> None:
    batch, model = parity_batch(), model_of()
    plain, told = model_of(actions=False).events(batch), model.events(batch)
    liked = batch.actions[:, 1] == 1
    both = (batch.actions == 1).all(dim=1)
    assert both.any()
    scale = 1 + model.scale.table.sum(0) + model.scale.nothing
    assert torch.allclose(told[both, 1], plain[both, 1] * scale)
    done = model.done.table.sum(0) + model.done.nothing
    assert torch.allclose(told[both, 0], plain[both, 0] * scale + done)
    assert not torch.equal(told[liked], plain[liked])


def test_without_actions_only_what_was_shown_is_told() -> None:
    batch, model = parity_batch(), model_of(actions=False)
    assert torch.equal(model.events(batch), model.items(batch.events.items))


def test_pieces_make_no_difference(monkeypatch) -> None:
    batch, model = parity_batch(), model_of()
    whole = model.logits(batch)
    monkeypatch.setattr(click_model, "AT_ONCE", 7)
    assert torch.equal(model.logits(batch), whole)
