"""A named published system around a language model, and what comes out of fitting it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segue.core.forms import Batches, Decoder, Objective, Procedure
from segue.core.ranking import Ranking, Rules
from segue.core.recipe import Recipe, Recommender, initialising, popular_for_strangers, under
from segue.core.run import Run
from segue.core.shapes import Float
from segue.core.tables import Catalog, Histories, Split
from segue.core.text_forms import Known, LanguageBackbone, Prompts, TextModel, TextModelPart
from segue.core.tokenizing import ItemEncoder


class TextRecipe(Recipe):
    """A system composed of parts around a language model that writes titles."""

    batches: Batches
    """Which events are learnt, and how many at once."""
    prompts: Prompts
    """How a history becomes words."""
    behaviour: ItemEncoder | None = None
    """Vectors of the items by who took them, read where the prompts have a placeholder for them; none without."""
    backbone: LanguageBackbone
    """The language model."""
    model: TextModelPart
    """What is around it."""
    objective: Objective[TextModel]
    """What is learnt."""
    decoder: Decoder[TextModel]
    """How a ranking is made."""
    procedure: Procedure
    """The order of the steps."""

    @property
    def reads_order(self) -> bool:
        """It tells a history as a sequence of titles."""
        return True

    @property
    def history(self) -> int | None:
        """The newest events of a history that are told."""
        return self.prompts.history

    def fit(self, split: Split, run: Run) -> FittedText:
        """Load the language model, place the titles, and train what is to be trained."""
        checkpoint = self.backbone.prepare(split, run)
        behaviour = None
        if self.behaviour is not None:
            behaviour = torch.from_numpy(self.behaviour.fit(split, run.aside("behaviour")).encode(split.catalog))
        counts = torch.from_numpy(split.item_counts()).float()
        preamble = self.prompts.preamble(split, run)
        model = self._build(checkpoint, split.catalog, counts, preamble, behaviour, run.seed).to(run.device)
        model.place(run)
        self.procedure(model, self.batches, self.objective, self.decoder, split, run)
        return FittedText(self, split.catalog, model, preamble, self.backbone.kept(checkpoint))

    def restore(self, catalog: Catalog, weights: Mapping[str, Tensor]) -> FittedText:
        """The recommender that `weights` were taken from."""
        kept = under(weights, CHECKPOINT)
        preamble = weights[PREAMBLE].numpy().tobytes().decode()
        checkpoint = self.backbone.found(kept)
        behaviour = weights.get(BEHAVIOUR)
        counts = torch.zeros(len(catalog))
        model = self._build(checkpoint, catalog, counts, preamble, behaviour, seed=0)
        model.load_state_dict(under(weights, MODEL))
        model.eval()
        return FittedText(self, catalog, model, preamble, kept)

    def _build(
        self,
        checkpoint: str,
        catalog: Catalog,
        counts: Float[Tensor, " items"],
        preamble: str,
        behaviour: Float[Tensor, "items size"] | None,
        seed: int,
    ) -> Any:
        titles = catalog.names()
        with initialising(seed):
            return self.model.build(
                self.backbone.load(checkpoint), self.prompts, Known(titles, counts, preamble, behaviour)
            )


class FittedText(Recommender):
    """A fitted recipe around a language model; who has no history yet gets the most popular items."""

    def __init__(
        self, recipe: TextRecipe, catalog: Catalog, model: Any, preamble: str, kept: Mapping[str, Tensor]
    ) -> None:
        self.recipe: TextRecipe = recipe
        self.catalog, self.model, self.preamble, self.kept = catalog, model, preamble, kept

    @property
    def checkpoint(self) -> str:
        """What the language model is called: its folder or name, or the kind of one made on the spot."""
        backbone = self.recipe.backbone
        return str(getattr(backbone, "checkpoint", backbone.kind()))

    def recommend(self, histories: Histories, k: int, rules: Rules = Rules()) -> Ranking:
        """The k best allowed items after each history, best first."""
        ranking = self.recipe.decoder(self.model, histories, k, rules)
        return popular_for_strangers(ranking, histories, self.model.counts.cpu().numpy(), k, rules)

    def grown(self, new: Catalog) -> Recommender:
        """With further items, known by their titles; nobody has taken them yet, so strangers get others.

        Raises:
            DataError: it cannot recommend one of them; says why.
        """
        if not hasattr(self.model, "with_titles"):
            return super().grown(new)
        grown = copy.copy(self)
        grown.model, grown.catalog = self.model.with_titles(new.names()), self.catalog.extended(new)
        return grown

    def to(self, device: torch.device) -> None:
        """Answer on this device from now on."""
        self.model.to(device)

    def weights(self) -> Mapping[str, Tensor]:
        """What was learnt and where the titles are; of the language model itself what it takes to find it again."""
        said = torch.from_numpy(np.frombuffer(self.preamble.encode() or b" ", dtype=np.uint8).copy())
        behaviour = {} if self.model.behaviour is None else {BEHAVIOUR: self.model.behaviour}
        return {
            **{f"{MODEL}{name}": tensor for name, tensor in self.model.state_dict().items()},
            **{f"{CHECKPOINT}{name}": tensor for name, tensor in self.kept.items()},
            PREAMBLE: said,
            **behaviour,
        }


MODEL, CHECKPOINT, PREAMBLE, BEHAVIOUR = "model.", "checkpoint.", "preamble", "behaviour"
"""Names among the weights."""
