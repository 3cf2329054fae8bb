"""Pretrain a ranker's tables by predicting what comes next, then learn to rank with them, frozen or not."""

from __future__ import annotations

import copy
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import SerializeAsAny
from torch import Tensor, nn

from segue.core import checkpoint
from segue.core.errors import DataError, RunError, SettingsError, in_words
from segue.core.forms import Backbone, Objective, RankingBatches, RankingModel, RankingModelPart, RankingProcedure
from segue.core.impressions import RankingSplit
from segue.core.recipe import initialising
from segue.core.run import Run
from segue.data.next_events import NextEvents
from segue.layers.generating import Generating
from segue.training.loop import Loop, train
from segue.training.trackers import JsonLines

logger = logging.getLogger(__name__)

TABLE, FACTS = "items.table.weight", "items.facts."
"""How the sparse parameters are called in every ranker."""
PRETRAINED = Path("pretraining") / "weights.safetensors"
"""In a run folder: the generative model."""


class PretrainTransfer(RankingProcedure):
    """A generative stage, a transfer of some of its parameters, and a discriminative stage.

    Source: GPSD, arXiv:2506.03699; strategies as named there. `nt` begins with random parameters; `ft` with everything
    that was pretrained; `st` with the tables alone, all else as `nt` with the same seed begins. With `_sf` the tables
    are frozen: they get no gradient, so weight decay leaves them alone too. `nt_sf` freezes random tables, as a
    control. What is pretrained depends on data, model, settings and seed only: it is kept in the cache, where the other
    strategies find it.
    """

    ranking: SerializeAsAny[RankingProcedure]
    """The discriminative stage."""
    generation: SerializeAsAny[Objective]
    """What is learnt before it."""
    pretraining: Loop = Loop(epochs=10)
    """How long, how fast and how carefully to pretrain; the weights of the last epoch are taken."""
    events: NextEvents = NextEvents()
    """How histories become batches of the generative stage."""
    strategy: Literal["nt", "ft", "st", "ft_sf", "st_sf", "nt_sf"] = "st_sf"
    """What is transferred, and whether the tables are frozen."""
    tables: Literal["items", "items_and_facts"] = "items"
    """What is sparse: the item table, as in the released code, or those of the facts about items too."""
    generator: SerializeAsAny[RankingModelPart] | None = None
    """The model that is pretrained, for rankers that cannot be asked what comes next; none takes the ranker itself."""
    backbone: SerializeAsAny[Backbone] | None = None
    """Its trunk."""
    source: str | None = None
    """The folder of an earlier run with this procedure, whose pretrained parameters are taken."""

    def __call__(
        self,
        model: Any,
        batches: RankingBatches,
        objective: Objective[RankingModel],
        split: RankingSplit,
        run: Run,
    ) -> None:
        """Train the model in place.

        Raises:
            SettingsError: the model has no item table of the usual name, cannot be pretrained, or does not fit.
            DataError: `source` was fitted on another catalogue.
        """
        network: nn.Module = model
        sparse = [name for name, _ in network.named_parameters() if name == TABLE or self._is_fact(name)]
        if TABLE not in sparse:
            raise SettingsError(f"model: pretrain_transfer carries over '{TABLE}', and this model has none.")
        begun, _, frozen = self.strategy.partition("_")
        if begun != "nt":
            weights = self._pretrained(network, split, run)
            _transfer(weights, network, list(network.state_dict()) if begun == "ft" else sparse)
        for name in sparse if frozen else []:
            network.get_parameter(name).requires_grad_(False)
        self.ranking(model, batches, objective, split, run)

    def _is_fact(self, name: str) -> bool:
        return self.tables == "items_and_facts" and name.startswith(FACTS)

    def _pretrained(self, model: nn.Module, split: RankingSplit, run: Run) -> Mapping[str, Tensor]:
        """The state of the generative model: from the run that is named, from the cache, or trained now."""
        if self.source is not None:
            return _from_run(self.source, split, run)
        generator = self._generator(model, split, run)
        kept = (
            None if run.cache is None else run.cache / "pretrained" / f"{self._key(generator, split, run)}.safetensors"
        )
        weights = None if kept is None else _found(kept)
        if weights is None:
            self._train(generator, split, run)
            weights = {name: tensor.cpu() for name, tensor in generator.state_dict().items()}
            if kept is not None:
                _keep(kept, weights)
        if run.folder is not None:
            checkpoint.write(run.folder / PRETRAINED, weights, {"dataset": split.dataset.digest})
        return weights

    def _generator(self, model: nn.Module, split: RankingSplit, run: Run) -> Any:
        generator = copy.deepcopy(model)
        if self.generator is not None:
            facts = {name: torch.from_numpy(np.array(values)) for name, values in split.item_features.items()}
            with initialising(run.seed):
                generator = self.generator.build(self.backbone, split.schema, facts, self.events.history)
        if not isinstance(generator, Generating):
            raise SettingsError(
                "procedure.generator: the model cannot be asked what comes next; name one that can and its trunk, such "
                "as procedure.generator=prefix_ranker, or the run of one as procedure.source."
            )
        if self.events.history > generator.length:
            raise SettingsError(
                f"procedure.events.history is {self.events.history}, and the model reads {generator.length} events; "
                "make it smaller, or batches.history longer."
            )
        return generator

    def _key(self, generator: Any, split: RankingSplit, run: Run) -> str:
        """Names everything that what is pretrained depends on."""
        parts = [self.generation.dump(), self.pretraining.dump(), self.events.dump()]
        text = f"{split.dataset.digest} {split.rule} {split.schema} {run.seed} {generator.design} {parts}"
        said = hashlib.blake2b(text.encode(), digest_size=16)
        for values in (split.train.starts, split.train.ends):
            said.update(np.ascontiguousarray(values).tobytes())
        for name, tensor in generator.state_dict().items():
            said.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        return said.hexdigest()

    def _train(self, generator: Any, split: RankingSplit, run: Run) -> None:
        aside = run.aside("pretraining")
        if aside.folder is not None:
            numbers = JsonLines(aside.folder / "metrics.jsonl", resume=run.resume)
            aside = replace(aside, watches=(numbers, *aside.watches))
        loop = self.pretraining.changed({"evaluate_every": self.pretraining.epochs})
        histories = self.events.of(split)
        train(generator, self.events, self.generation, histories, split.item_counts(), loop, aside, lambda: 0.0)


def _transfer(weights: Mapping[str, Tensor], model: nn.Module, names: list[str]) -> None:
    """Give the model the values of these tensors."""
    own = model.state_dict()
    for name in names:
        theirs = tuple(weights[name].shape) if name in weights else None
        if theirs != tuple(own[name].shape):
            said = "is not there" if theirs is None else f"has the shape {theirs}"
            raise SettingsError(
                f"procedure: '{name}' {said} in the pretrained model, and has the shape {tuple(own[name].shape)} in "
                "the ranker; widths and facts of both must be the same, and strategy ft needs the same model."
            )
    with torch.no_grad():
        for name in names:
            own[name].copy_(weights[name])


def _found(kept: Path) -> Mapping[str, Tensor] | None:
    """What the cache has; a damaged file is trained again."""
    if not kept.exists():
        return None
    try:
        return checkpoint.read(kept)[0]
    except RunError as error:
        logger.warning("%s It is trained again.", error)
        return None


def _keep(kept: Path, weights: Mapping[str, Tensor]) -> None:
    try:
        checkpoint.write(kept, weights, {})
    except OSError as error:  # a full disk must not lose what took an hour
        logger.warning("what was pretrained could not be kept for the next run (%s)", in_words(error))


def _from_run(source: str, split: RankingSplit, run: Run) -> Mapping[str, Tensor]:
    """What another run pretrained, on the same catalogue."""
    folder = Path(source)
    if run.open_run is None:
        raise SettingsError(f"procedure.source: '{source}' cannot be opened; this fit has no access to other runs.")
    catalog = run.open_run(folder).catalog
    if not (folder / PRETRAINED).exists():
        raise SettingsError(f"procedure.source: '{source}' pretrained nothing; name a run such as one of gpsd.")
    if not catalog.ids.equals(split.catalog.ids):
        raise DataError(
            f"procedure.source: the catalogue of '{source}' has {len(catalog)} items, and is not that of this data "
            f"({len(split.catalog)} items)."
        )
    return checkpoint.read(folder / PRETRAINED)[0]
