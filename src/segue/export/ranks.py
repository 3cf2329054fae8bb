"""Rankers: a padded history and padded candidates in, the probability of each action for each candidate out."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from segue.backbones import hstu
from segue.core.errors import SettingsError
from segue.core.ranking_recipe import FittedRanker
from segue.data.passes import SharedHistory
from segue.export.clicks import click_flow
from segue.export.padded import Facts, Newest, Padded, PaddedHstu, PaddedTransformer, filled
from segue.layers.click_model import ClickModel
from segue.layers.facts import ActionVectors, ContextVectors, ItemVectors
from segue.layers.transformer_judge import TransformerJudge
from segue.models.dual_flow_ranker import DualFlowRankerModel
from segue.models.interleaved_ranker import InterleavedRankerModel
from segue.models.prefix_ranker import _PrefixRanker


class RanksGraph(nn.Module):
    """A ranker with a trunk over padded rows; the window of a history begins where our own requests let it begin."""

    def __init__(self, fitted: FittedRanker, *, timed: bool) -> None:
        super().__init__()
        recipe, model = fitted.recipe, fitted.model
        if not isinstance(recipe.batches, SharedHistory):
            raise SettingsError(f"{recipe.name}: batches of the kind {recipe.batches.kind()} cannot be exported.")
        self.names = [f"{one.of}_{one.name}" for of in ("user", "place") for one in model.schema.fields_of(of)]
        self.newest = Newest(recipe.batches.history, recipe.batches.slack + 1)
        self.timed = timed and isinstance(recipe.backbone, hstu.Hstu) and recipe.backbone.timed
        self.others = [*(["timestamps", "asked_at"] if self.timed else []), *self.names]
        self.flow = _flow(fitted, self.newest.longest, timed=self.timed)

    def forward(
        self, items: Tensor, lengths: Tensor, actions: Tensor, candidates: Tensor, *others: Tensor
    ) -> tuple[Tensor]:
        """P(action), `users candidates tasks`; `others` are times, where they count, and facts."""
        told = dict(zip(self.others, others, strict=True))
        kept, places = self.newest(lengths, items.shape[1])
        items = items.gather(1, places)
        done = actions.gather(1, places[:, :, None].expand(-1, -1, actions.shape[2]))
        times = told["timestamps"].gather(1, places) if self.timed else None
        return (torch.sigmoid(self.flow(Padded(items, kept, done, candidates, times, told.get("asked_at"), told))),)


class _DualFlow(nn.Module):
    """See `models.dual_flow_ranker`."""

    def __init__(self, model: DualFlowRankerModel, length: int, *, timed: bool) -> None:
        super().__init__()
        self.model = model
        self.trunk = PaddedHstu(cast(hstu._Trunk, model.trunk), length + 1, timed=timed)

    def forward(self, asked: Padded) -> Tensor:
        model, placeholder = self.model, self.model.actions.placeholder
        items, lengths, actions, candidates, times, asked_at, facts = asked
        done = placeholder.expand(*items.shape, -1) if model.part.actions == "none" else _done(model.actions, actions)
        _, context = self.trunk(self._tokens(items, done), lengths, times, times)
        shown = self._tokens(candidates, placeholder.expand(*candidates.shape, -1))
        return _answers(model.heads, self.trunk.judge(shown, lengths, context, asked_at, times), facts)

    def _tokens(self, items: Tensor, actions: Tensor) -> Tensor:
        model = self.model
        return model.norm(model.join(torch.cat([_vectors(model.items, items).flatten(2), actions], dim=2)))


class _Interleaved(nn.Module):
    """See `models.interleaved_ranker`."""

    def __init__(self, model: InterleavedRankerModel, length: int, *, timed: bool) -> None:
        super().__init__()
        self.model = model
        self.trunk = PaddedHstu(cast(hstu._Trunk, model.trunk), model.steps * length + 1, timed=timed)

    def forward(self, asked: Padded) -> Tensor:
        model = self.model
        items, lengths, actions, candidates, times, asked_at, facts = asked
        vectors, done = _vectors(model.items, items).flatten(2), _done(model.actions, actions)
        shown = _vectors(model.items, candidates).flatten(2)
        if model.part.apart:
            assert model.widen is not None
            assert model.action_norm is not None
            both = [model.norm(model.join(vectors)), model.action_norm(model.widen(done))]
            tokens = torch.stack(both, dim=2).flatten(1, 2)
            times = None if times is None else times.repeat_interleave(2, dim=1)
        else:
            placeholder = model.actions.placeholder
            first = placeholder.expand(items.shape[0], 1, -1)
            before = torch.cat([first, done], dim=1)  # what was done before each event, and before a candidate
            tokens = model.norm(model.join(torch.cat([vectors, before[:, :-1]], dim=2)))
            newest = before.gather(1, lengths[:, None, None].expand(-1, 1, before.shape[2]))
            shown = torch.cat([shown, newest.expand(-1, candidates.shape[1], -1)], dim=2)
        many = lengths * model.steps
        _, context = self.trunk(tokens, many, times, times)
        hidden = self.trunk.judge(model.norm(model.join(shown)), many, context, asked_at, times)
        return _answers(model.heads, hidden, facts)


class _Prefix(nn.Module):
    """See `models.prefix_ranker`."""

    def __init__(self, model: _PrefixRanker, length: int) -> None:
        super().__init__()
        self.model, self.length = model, length + 1
        assert isinstance(model.trunk, TransformerJudge)
        self.trunk = PaddedTransformer(model.trunk.trunk, length + 1)

    def forward(self, asked: Padded) -> Tensor:
        model = self.model
        items, lengths, actions, candidates, _, _, facts = asked
        vectors = _vectors(model.items, items).sum(dim=2) + model.segments.weight[0]
        shown = _vectors(model.items, candidates).sum(dim=2) + model.segments.weight[1]
        if model.actions is not None:
            vectors = vectors + _done(model.actions, actions)
            shown = shown + model.actions.placeholder
        _, context = self.trunk(model._entering(vectors), lengths)
        seen = filled(lengths, items.shape[1])
        positions = lengths[:, None].expand(candidates.shape)
        hidden = self.trunk.beside(model._entering(shown), positions, context, seen, [[] for _ in context])
        return model.head(torch.cat([hidden, *_told(model.context, facts, candidates)], dim=2))


def _flow(fitted: FittedRanker, length: int, *, timed: bool) -> nn.Module:
    """The ranker's own way over padded rows.

    Raises:
        SettingsError: there is none.
    """
    model, backbone = fitted.model, fitted.recipe.backbone
    over_hstu = isinstance(backbone, hstu.Hstu)
    if isinstance(model, DualFlowRankerModel) and over_hstu:
        return _DualFlow(model, length, timed=timed)
    if isinstance(model, InterleavedRankerModel) and over_hstu:
        return _Interleaved(model, length, timed=timed)
    if isinstance(model, _PrefixRanker) and isinstance(model.trunk, TransformerJudge):
        return _Prefix(model, length)
    if isinstance(model, ClickModel) and (over_padded := click_flow(model)) is not None:
        return over_padded
    with_trunk = f" over {backbone.kind()}" if backbone is not None else ""
    raise SettingsError(
        f"{fitted.recipe.name}: a {fitted.recipe.model.kind()}{with_trunk} cannot be exported; there is no "
        "padded form of it. dual_flow_ranker and interleaved_ranker over hstu, prefix_ranker over causal_transformer, "
        "deepfm, dcn_v2, dlrm and din can (dfgr, metagr, gpsd and click models)."
    )


def _vectors(vectors: ItemVectors, items: Tensor) -> Tensor:
    """The vectors of items and their facts, `[users, places, parts, width]`."""
    found = vectors(items.flatten())
    return found.view(items.shape[0], items.shape[1], vectors.count, -1)


def _done(vectors: ActionVectors, actions: Tensor) -> Tensor:
    return actions @ vectors.table + vectors.nothing


def _told(vectors: ContextVectors, facts: Facts, candidates: Tensor) -> list[Tensor]:
    """The vectors of what is known of user and place, for each candidate."""
    found = []
    for one in (*vectors.of_user, *vectors.of_place):
        name = f"{one.of}_{one.name}"
        values = facts[name]
        if one.of == "user":
            values = values[:, None].expand(candidates.shape)
        fact: Any = vectors.facts[name]
        found.append(fact(values.flatten()).view(candidates.shape[0], candidates.shape[1], -1))
    return found


def _answers(heads: Any, hidden: Tensor, facts: Facts) -> Tensor:
    told = torch.cat([heads.norm(hidden), *_told(heads.context, facts, hidden[..., 0])], dim=2)
    flat = told.flatten(0, 1)
    answers = torch.cat([tower(flat) for tower in heads.towers], dim=1)
    return answers.view(hidden.shape[0], hidden.shape[1], len(heads.towers))
