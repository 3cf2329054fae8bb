"""GPSD: a transformer ranker whose item table is pretrained by predicting the next item, and then frozen.

Wang et al. 2025, "Scaling Transformers for Discriminative Recommendation via Generative Pretraining", KDD,
arXiv:2506.03699. `RECIPE` has the released settings for Amazon with the paper's ST&SF (sparse parameters transferred
and frozen) and the L4H64A4 trunk; `nt` is the same transformer from scratch, the others are the other strategies. It
learns from requests, each history read once for all of its candidates, where theirs has two samples a user; it learns
all tasks at once; and validation requests choose the epoch of the second stage. Rotary pairs are coordinates i and
i + size / 2, which is theirs with the rows of the query and key matrices in another order. `world` is sized for a CPU,
is told what was done with each event and pretrains on the clicks among them, since histories of requests hold more
than clicks; `world_nt` is the same from scratch.
"""

from __future__ import annotations

from typing import Any

from segue.backbones.causal_transformer import CausalTransformer
from segue.core.ranking_recipe import RankingRecipe
from segue.core.recipe import Paper
from segue.data.next_events import NextEvents
from segue.data.passes import SharedHistory
from segue.models.prefix_ranker import PrefixRanker
from segue.objectives.action_likelihood import ActionLikelihood
from segue.objectives.generative_pretraining import GenerativePretraining
from segue.procedures.pretrain_transfer import PretrainTransfer
from segue.procedures.supervised_ranking import SupervisedRanking
from segue.recipes._ranking_tables import ranking_claims
from segue.training.loop import Loop
from segue.training.optim import AdamW

_PUBLISHED = AdamW(rate=5e-3, beta2=0.98, decay=0.1, schedule="cosine", warmup_steps=500, floor=0.1, reached=True)
RECIPE = RankingRecipe(
    name="gpsd",
    paper=Paper(
        authors="Wang, Wu, Chen, Shen, Wang, Zeng",
        title="Scaling Transformers for Discriminative Recommendation via Generative Pretraining",
        year=2025, venue="KDD", arxiv="2506.03699",
    ),
    batches=SharedHistory(history=50, slack=0, users=512),
    backbone=CausalTransformer(
        width=64, depth=4, heads=4, inner=None, dropout=0.0, activation="swiglu", norm="rms", eps=1e-5,
        position="rotary",
    ),
    model=PrefixRanker(),
    objective=ActionLikelihood(),
    procedure=PretrainTransfer(
        strategy="st_sf",
        generation=GenerativePretraining(negatives=4096, temperature=0.05),
        pretraining=Loop(epochs=10, clip=1.0, precision="float32", optimizer=_PUBLISHED),
        events=NextEvents(history=50, users=512),
        ranking=SupervisedRanking(
            loop=Loop(epochs=10, clip=1.0, precision="float32", optimizer=_PUBLISHED.changed({"rate": 1e-3}))
        ),
    ),
)  # fmt: skip
_COURSE = {"warmup_steps": None, "warmup": 0.05}
_WORLD = {
    "batches": SharedHistory(history=50, slack=50, users=32),
    "backbone.depth": 2,
    "backbone.heads": 2,
    "model.actions": True,
    "procedure.events": NextEvents(history=100, users=64, windows="all"),
    "procedure.generation": {"negatives": 512, "positive": True},
    "procedure.pretraining": {"epochs": 6, "optimizer": _COURSE | {"rate": 3e-3}},
    "procedure.ranking.loop": {"epochs": 6, "optimizer": _COURSE | {"rate": 2e-3}},
}
VARIANTS = {
    "nt": RECIPE.changed(
        {"name": "gpsd_nt", "procedure.strategy": "nt", "procedure.ranking.loop.optimizer.rate": 5e-3}
    ),
    **{
        strategy: RECIPE.changed({"name": f"gpsd_{strategy}", "procedure.strategy": strategy})
        for strategy in ("ft", "st", "ft_sf", "st_sf")
    },
    "world": RECIPE.changed(_WORLD | {"name": "gpsd_world"}),
    "world_nt": RECIPE.changed(_WORLD | {"name": "gpsd_world_nt", "procedure.strategy": "nt"}),
    "small": RECIPE.changed(
        _WORLD
        | {
            "name": "gpsd_small",
            "batches": SharedHistory(history=20, slack=20, users=16),
            "backbone.width": 32,
            "procedure.events": NextEvents(history=20, users=16),
            "procedure.generation": {"negatives": 8, "positive": False},
            "procedure.pretraining": {"epochs": 2, "optimizer": _COURSE},
            "procedure.ranking.loop": {"epochs": 16, "optimizer": _COURSE | {"rate": 3e-3}},
        }
    ),
}
_LOOP, _SETS = "procedure.ranking.loop", ("world", "kuairand", "taobao", "taobao-last")
_EVERY = {"procedure.generation.positive": False}
_LOGS: dict[str, Any] = {"special": {"kuairand": _EVERY, "taobao": _EVERY, "taobao-last": _EVERY}}
"""Real logs do not say of each earlier event whether it was clicked, so every event is foretold."""
CLAIMS = (
    *ranking_claims("gpsd_world_nt", loop=_LOOP, **_LOGS),
    *ranking_claims("gpsd_world", loop=_LOOP, **_LOGS),
    *ranking_claims(
        "gpsd_world_nt", loop=_LOOP, group="gpsd", suffix="-strategies", trained=True, rows=_SETS[:3], **_LOGS
    ),
    *ranking_claims(
        "gpsd_world", loop=_LOOP, group="gpsd", suffix="-strategies", trained=True, rows=_SETS[:3], **_LOGS
    ),
    *ranking_claims("gpsd_world_nt", loop=_LOOP, group="gpsd", rows=_SETS[3:], **_LOGS),
    *ranking_claims("gpsd_world", loop=_LOOP, group="gpsd", rows=_SETS[3:], **_LOGS),
    *(
        claim
        for strategy in ("ft", "st", "ft_sf")
        for claim in ranking_claims(
            "gpsd_world", {"procedure.strategy": strategy}, loop=_LOOP, group="gpsd", suffix=f"-{strategy}",
            rows=_SETS, **_LOGS,
        )
    ),
)  # fmt: skip
