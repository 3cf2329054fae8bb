"""BERT4Rec: hide some events of a history and guess them from both sides.

Sun et al. 2019, "BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from Transformer",
CIKM, arXiv:1904.06690. Settings are the paper's for MovieLens-1M. Differs from the released code: masks are drawn
afresh each time instead of ten times in all; Adam's rate does not decay over 400,000 steps but over the epochs asked
for; and the result is measured over the whole catalog, where the paper ranks against 100 sampled items.
"""

from __future__ import annotations

from segue.backbones.bidirectional import Bidirectional
from segue.core.claim import Claim
from segue.core.recipe import Paper, ScoringRecipe
from segue.data.sequences import WholeHistory
from segue.decoding.top_scores import TopScores
from segue.models.item_scorer import ItemScorer
from segue.objectives.masked_item import MaskedItem
from segue.procedures.supervised import Supervised
from segue.training.loop import Loop
from segue.training.optim import AdamW

RECIPE = ScoringRecipe(
    name="bert4rec",
    paper=Paper(
        authors="Sun, Liu, Wu, Pei, Lin, Ou, Jiang",
        title="BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from Transformer",
        year=2019, venue="CIKM", arxiv="1904.06690",
    ),
    batches=WholeHistory(history=200, users=256),
    backbone=Bidirectional(width=64, depth=2, heads=2, inner=256, dropout=0.2),
    model=ItemScorer(question="mask", head=True),
    objective=MaskedItem(share=0.2),
    decoder=TopScores(),
    procedure=Supervised(
        loop=Loop(
            epochs=200, optimizer=AdamW(rate=1e-4, beta2=0.999, decay=0.01, schedule="linear"), clip=5.0,
            evaluate_every=5, patience=10,
        )
    ),
)  # fmt: skip
VARIANTS = {
    "fast": RECIPE.changed(
        {"name": "bert4rec_fast", "batches.users": 64, "procedure.loop.optimizer.rate": 1e-3,
         "procedure.loop.optimizer.beta2": 0.98, "procedure.loop.optimizer.warmup": 0.05, "procedure.loop.epochs": 32,
         "procedure.loop.evaluate_every": 4}
    ),
    "small": RECIPE.changed(
        {"name": "bert4rec_small", "batches.history": 20, "batches.users": 32, "backbone.width": 32,
         "backbone.depth": 1, "backbone.inner": 128, "backbone.dropout": 0.0, "objective.last_only": 0.8,
         "procedure.loop": {"epochs": 45, "clip": 1.0, "patience": 0, "evaluate_every": 5, "optimizer": {
             "rate": 5e-3, "beta2": 0.98, "decay": 0.0, "warmup": 0.1}}}
    ),
}  # fmt: skip
CLAIMS = (
    Claim(
        system="bert4rec_fast",
        row="ml-1m",
        data="ml-1m/sequences.parquet",
        published={"HR@10": 0.2843, "NDCG@10": 0.1537},
        source="BERT4Rec in the released HSTU code's README: leave-one-out, length 200, seen filtered, 3,706 items",
        evidence="read",
        seeds=1,
    ),
)
