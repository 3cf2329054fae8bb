"""What every part must do, as checks that raise AssertionError and say what was found."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segue.core.batches import SequenceBatch
from segue.core.forms import Backbone, Decoder, Objective, ScoringModel, TokenModel
from segue.core.ranking import NOTHING, Ranking, Rules
from segue.core.recipe import Recipe, ScoringRecipe, TokenRecipe
from segue.core.run import Run
from segue.core.tables import Histories, Split
from segue.core.text_recipe import TextRecipe
from segue.testing.worlds import ring


def check_backbone(backbone: Backbone, *, causal: bool = True, length: int = 12) -> None:
    """Rows do not see each other; other rows in the batch change nothing; a causal trunk does not see the future."""
    torch.manual_seed(0)
    trunk = backbone.build(length).eval()
    histories = Histories.from_lists([[1] * n for n in (length, 3, 7, 1, length, 7)])
    batch = SequenceBatch.of(histories)
    vectors = torch.randn(len(batch.items), backbone.width)
    with torch.no_grad():
        hidden = trunk(vectors, batch)
        assert hidden.shape == vectors.shape, f"a trunk keeps the shape {vectors.shape}, this one gave {hidden.shape}"
        for row in range(len(batch)):
            tokens = slice(int(batch.rows.offsets[row]), int(batch.rows.offsets[row + 1]))
            alone = SequenceBatch.of(Histories.from_lists([[1] * int(batch.rows.lengths[row])]))
            same = torch.allclose(trunk(vectors[tokens], alone), hidden[tokens], atol=1e-5)
            assert same, f"row {row} comes out otherwise when it is alone in the batch"
        last_row = slice(int(batch.rows.offsets[-2]), int(batch.rows.offsets[-1]))
        changed = vectors.clone()
        changed[last_row.stop - 1] += 1.0
        after = trunk(changed, batch)
        assert torch.equal(after[: last_row.start], hidden[: last_row.start]), "a change leaked into another row"
        earlier = slice(last_row.start, last_row.stop - 1)
        moved = not torch.equal(after[earlier], hidden[earlier])
        assert moved != causal, "the future leaks into the past" if causal else "later events are not seen"


def check_objective(objective: Objective[ScoringModel], model: ScoringModel, batch: SequenceBatch) -> None:
    """The loss is finite, repeats itself, has gradients, and adds up over its targets."""
    assert isinstance(model, torch.nn.Module)
    model.zero_grad()
    losses = [objective(model, batch, torch.Generator().manual_seed(7)) for _ in range(2)]
    assert torch.isfinite(losses[0].total), f"the loss is {losses[0].total}"
    assert torch.equal(losses[0].total, losses[1].total), "the same generator state gave another loss"
    assert losses[0].count > 0, "the loss counts no target"
    torch.autograd.backward(losses[0].mean)
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert gradients, "no parameter got a gradient"
    assert all(torch.isfinite(gradient).all() for gradient in gradients), "a gradient is not finite"
    assert any(gradient.abs().sum() > 0 for gradient in gradients), "all gradients are zero"


def check_decoder(decoder: Decoder[ScoringModel], model: ScoringModel, histories: Histories, items: int) -> None:
    """The ranking is the exhaustive one, and nothing forbidden is ever in it."""
    _names_what_is_allowed(decoder, model, histories, items)


def check_token_decoder(decoder: Decoder[TokenModel], model: TokenModel, histories: Histories) -> None:
    """A search as wide as the catalog gives every item its exact log probability, and names nothing forbidden.

    Every history has events. The exact values come from writing each item's codes in full, without the trie.
    """
    items = len(model.codes)
    _names_what_is_allowed(decoder, model, histories, items)
    found = decoder(model, histories, items, Rules(seen=True))
    exact = np.take_along_axis(_log_chances(model, histories), found.items, axis=1)
    far = float(np.abs(exact - found.scores).max())
    assert far < 1e-3, f"a score differs by {far:.2g} nats from the log probability of the item's codes"


def _log_chances(model: TokenModel, histories: Histories) -> np.ndarray:
    """log P of each item after each history, users by items: its tuple's, times its share of the tuple."""
    batch = SequenceBatch.of(histories.latest(model.history))
    with torch.inference_mode():
        states = model.states_of(batch, torch.arange(len(model.codes)).expand(len(batch), -1))
        scores = model.tree.log_shares[model.tree.places].expand(len(batch), -1).clone()
        for level, codes in enumerate(model.item_codes.T):
            table, begin = model.codebook(level)
            chances = torch.log_softmax(states[:, :, level] @ table.T, dim=-1)
            scores += chances[:, torch.arange(len(codes)), begin + codes]
    found = np.empty(scores.shape, dtype=np.float32)
    found[batch.order.numpy()] = scores.numpy()
    return found


def _names_what_is_allowed(decoder: Any, model: Any, histories: Histories, items: int) -> None:
    assert isinstance(model, torch.nn.Module)
    model.eval()
    everything = decoder(model, histories, items, Rules(seen=True))
    assert (np.sort(everything.items, axis=1) == np.arange(items)).all(), "k = catalogue must name every item once"
    _sorted(everything)
    short = decoder(model, histories, 3, Rules(seen=True))
    assert (short.items == everything.items[:, :3]).all(), "a short list must be the head of the long one"
    deny = np.array([0, 2])
    allow = np.arange(0, items, 2)
    ranking = decoder(model, histories, items, Rules(seen=False, allow=allow, deny=deny))
    for row in range(len(histories)):
        seen = histories.items[histories.starts[row] : histories.ends[row]]
        allowed = np.setdiff1d(np.setdiff1d(allow, deny), seen)
        named = ranking.items[row][ranking.items[row] != NOTHING]
        assert np.array_equal(np.sort(named), allowed), f"row {row} named {named} where {allowed} was allowed"
        kept = everything.items[row][np.isin(everything.items[row], allowed)]
        assert np.array_equal(named, kept), f"row {row}: forbidding items changed the order of the others"


def check_recipe(
    recipe: Recipe,
    *,
    world: Split | None = None,
    k: int = 1,
    right: float = 0.9,
    learns_order: bool = True,
    seed: int = 1,
) -> None:
    """Learns the ring, or another world, repeats itself, saves and loads, and survives YAML.

    `right` is the share of test cases whose next item must be among the first `k`; it should be passed with room to
    spare with any `seed` and on any processor. A system is restored with seed 0, so another one tells whether all that
    was drawn is saved. A system that does not look at the order (`learns_order=False`) has no share
    to reach.
    """
    assert type(recipe).parse(recipe.dump()) == recipe, "the recipe is not the same after YAML"
    world = world or ring()
    if isinstance(recipe, ScoringRecipe | TokenRecipe | TextRecipe) and hasattr(recipe.procedure, "seen"):
        recipe = recipe.changed({"procedure.seen": True})
    histories, targets = world.test.histories, world.test.targets.packed()[0]
    few = replace(world, train=world.train.take(slice(0, 32)))
    if isinstance(recipe, TextRecipe):
        few = world  # its language model has read the histories: of the same ones it is made once
    with tempfile.TemporaryDirectory() as cache:
        run = Run(seed=seed, cache=Path(cache))
        fitted = recipe.fit(world, run)
        once, again = (recipe.fit(few, run).recommend(histories, 5, Rules(seen=True)) for _ in range(2))
    assert np.array_equal(once.items, again.items), "the same seed gave other recommendations"
    assert np.array_equal(once.scores, again.scores), "the same seed gave other scores"
    ranking = fitted.recommend(histories, max(k, 5), Rules(seen=True))
    _sorted(ranking)
    share = float((ranking.items[:, :k] == targets[:, None]).any(1).mean())
    if learns_order:
        assert share >= right, f"the next item was among the first {k} for {share:.0%} of users, {right:.0%} is asked"
    restored = recipe.restore(world.catalog, fitted.weights()).recommend(histories, max(k, 5), Rules(seen=True))
    assert np.array_equal(restored.items, ranking.items), "saving and loading changed the recommendations"
    assert np.array_equal(restored.scores, ranking.scores), "saving and loading changed the scores"
    one_by_one = [
        fitted.recommend(histories.take(slice(row, row + 1)), max(k, 5), Rules(seen=True)) for row in range(8)
    ]
    for row, alone in enumerate(one_by_one):
        close = np.allclose(alone.scores[0], ranking.scores[row], atol=1e-4)
        assert close, f"user {row} gets other scores alone than in a batch"
    stranger = fitted.recommend(Histories.from_lists([[]]), 5)
    assert (stranger.items != NOTHING).all(), "a user without history must get something"
    filtered = fitted.recommend(histories, len(world.catalog))
    for row in range(8):
        seen = histories.items[histories.starts[row] : histories.ends[row]]
        assert not np.isin(filtered.items[row], seen).any(), f"user {row} was recommended an item of the history"


def first_losses(recipe: ScoringRecipe | TokenRecipe, steps: int = 3, seed: int = 0) -> list[float]:
    """The losses of the first training steps on the ring in float32: the few stored values of a recipe's test."""

    class Listening:
        losses: list[float] = []  # noqa: RUF012 - one list for this call

        def begin(self, what: str, steps: int) -> None: ...

        def advance(self, steps: int, note: str = "") -> None: ...

        def end(self) -> None: ...

        def log(self, step: int, values: Mapping[str, float]) -> None:
            self.losses.append(values["loss"])

    listening = Listening()
    world = ring(users=64)
    changes = {
        "procedure.loop.precision": "float32",
        "procedure.loop.epochs": steps,
        "procedure.loop.evaluate_every": steps,
        "batches.users": 64,
    }
    recipe.changed(changes).fit(world, Run(seed=seed, watches=(listening,)))
    return listening.losses


def _sorted(ranking: Ranking) -> None:
    scores = ranking.scores
    assert (scores[:, :-1] >= scores[:, 1:]).all(), "scores must fall along the list"
    tied = scores[:, :-1] == scores[:, 1:]
    named = (ranking.items[:, :-1] != NOTHING) & (ranking.items[:, 1:] != NOTHING)
    assert (ranking.items[:, :-1] < ranking.items[:, 1:])[tied & named].all(), "ties must go to the lower item row"
