"""SASRec: a causal transformer over the items of a history.

Kang & McAuley 2018, "Self-Attentive Sequential Recommendation", ICDM, arXiv:1808.09781. `RECIPE` has the paper's
settings for MovieLens-1M. The variants are the same trunk as later studies train it: `softmax` against the whole
catalog, `sampled` against many drawn items (SASRec+, Klenitskiy & Vasilev 2023, arXiv:2309.07602), `esasrec` with
LiGR's gates (arXiv:2508.06450), `tuned`, our own choice on validation cases, and `world`, the same at the size of
the simulated world.
"""

from __future__ import annotations

from segue.backbones.causal_transformer import CausalTransformer
from segue.core.claim import Claim
from segue.core.recipe import Paper, ScoringRecipe
from segue.data.negatives import UniformNegatives
from segue.data.sequences import NextItem
from segue.decoding.top_scores import TopScores
from segue.models.item_scorer import ItemScorer
from segue.objectives.binary_cross_entropy import BinaryCrossEntropy
from segue.objectives.full_softmax import FullSoftmax
from segue.objectives.sampled_softmax import SampledSoftmax
from segue.procedures.supervised import Supervised
from segue.training.loop import Loop
from segue.training.optim import AdamW

RECIPE = ScoringRecipe(
    name="sasrec",
    paper=Paper(
        authors="Kang, McAuley", title="Self-Attentive Sequential Recommendation", year=2018, venue="ICDM",
        arxiv="1808.09781",
    ),
    batches=NextItem(history=200, users=128),
    backbone=CausalTransformer(width=50, depth=2, heads=1, inner=50, dropout=0.2),
    model=ItemScorer(scaled=True),
    objective=BinaryCrossEntropy(negatives=UniformNegatives(count=1, shared=False)),
    decoder=TopScores(),
    procedure=Supervised(loop=Loop(epochs=201, optimizer=AdamW(rate=1e-3), evaluate_every=5, patience=10)),
)  # fmt: skip
_SOFTMAX = {
    "backbone": CausalTransformer(width=64, depth=2, heads=2, inner=256, dropout=0.2),
    "model": ItemScorer(),
    "objective": FullSoftmax(),
    "procedure": Supervised(loop=Loop(epochs=100, optimizer=AdamW(rate=1e-3), patience=10)),
}
VARIANTS = {
    "softmax": RECIPE.changed(_SOFTMAX | {"name": "sasrec_softmax"}),
    "sampled": RECIPE.changed(
        _SOFTMAX | {"name": "sasrec_sampled", "objective": SampledSoftmax(negatives=UniformNegatives(count=3000))}
    ),
    "esasrec": RECIPE.changed(
        _SOFTMAX
        | {
            "name": "sasrec_esasrec",
            "backbone": CausalTransformer(width=64, depth=2, heads=2, inner=256, activation="swiglu", gated=True),
            "objective": SampledSoftmax(negatives=UniformNegatives(count=256)),
        }
    ),
    "tuned": RECIPE.changed(
        _SOFTMAX
        | {
            "name": "sasrec_tuned",
            "batches": NextItem(history=200, users=64, wander=0.4),
            "backbone": CausalTransformer(width=64, depth=2, heads=2, inner=256, activation="gelu", position="rotary"),
            "procedure": Supervised(
                loop=Loop(epochs=24, optimizer=AdamW(rate=4e-3, schedule="linear", warmup=0.08), evaluate_every=2)
            ),
        }
    ),
    "world": RECIPE.changed(
        _SOFTMAX
        | {
            "name": "sasrec_world",
            "batches": NextItem(history=50, users=64),
            "backbone": CausalTransformer(width=64, depth=2, heads=2, inner=256, activation="gelu", position="rotary"),
            "procedure": Supervised(loop=Loop(epochs=12, optimizer=AdamW(rate=4e-3, schedule="linear", warmup=0.08))),
        }
    ),
    "small": RECIPE.changed(
        _SOFTMAX
        | {
            "name": "sasrec_small",
            "batches.history": 50,
            "procedure": Supervised(loop=Loop(epochs=20, optimizer=AdamW(rate=2e-3, schedule="linear", warmup=0.05))),
        }
    ),
}
_BEAUTY = {
    "batches.history": 50,
    "batches.users": 128,
    "batches.wander": 0.0,
    "backbone.width": 128,
    "backbone.dropout": 0.5,
    "procedure.loop.optimizer.rate": 2e-3,
    "procedure.loop.epochs": 20,
}
_KUAIRAND = {
    "data.positive": "is_click==1",
    "data.keep_shown": True,
    "data.duplicates": "exact",
    "data.user_core": 4,
}
"""Clicks of the standard policy, of users with four or more; what was shown and not taken stays in the catalogue."""
CLAIMS = (
    Claim(
        system="sasrec_tuned",
        row="ml-1m",
        data="ml-1m/sequences.parquet",
        published={"HR@10": 0.3159, "NDCG@10": 0.1857},
        source="SASRec+ with 3,000 sampled negatives (Klenitskiy & Vasilev 2023): leave-one-out, length 200, seen "
        "filtered, target time unknown; as collected in our notes on peers",
        evidence="read",
    ),
    Claim(
        system="sasrec_tuned",
        row="beauty",
        data="amazon-beauty",
        settings=_BEAUTY,
        published={"HR@10": 0.0928, "NDCG@10": 0.0531},
        source="the eSASRec study's repository: HR@10 of eSASRec, NDCG@10 of SASRec with sampled softmax; "
        "leave-one-out, length 50, seen filtered; as collected in our notes on peers",
        evidence="read",
    ),
    Claim(
        system="sasrec_tuned",
        row="beauty-unfiltered",
        data="amazon-beauty",
        settings=_BEAUTY,
        asked={"evaluation.seen": True},
        trained="beauty",
    ),
    Claim(system="sasrec_world", row="kuairand", data="kuairand-pure", settings=_KUAIRAND),
)
