"""HSTU: a sequential transducer whose attention has no softmax and knows the time between events.

Zhai et al. 2024, "Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for Generative
Recommendations", ICML, arXiv:2402.17152. Settings are those of the released research code for MovieLens-1M.
Differs from it: negatives are drawn once a batch, not once a position, which saves the gather of 128 vectors for
each; and validation cases choose the epoch, where theirs looks at the test item.
"""

from __future__ import annotations

from segue.backbones.hstu import Hstu
from segue.core.claim import Claim
from segue.core.recipe import Paper, ScoringRecipe
from segue.data.negatives import UniformNegatives
from segue.data.sequences import NextItem
from segue.decoding.top_scores import TopScores
from segue.models.item_scorer import ItemScorer
from segue.objectives.full_softmax import FullSoftmax
from segue.objectives.sampled_softmax import SampledSoftmax
from segue.procedures.supervised import Supervised
from segue.training.loop import Loop
from segue.training.optim import AdamW

RECIPE = ScoringRecipe(
    name="hstu",
    paper=Paper(
        authors="Zhai, Liao, Liu, Wang, Li, Cao, Gao, Gong, Gu, He, Lu, Shi",
        title="Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for Generative "
        "Recommendations",
        year=2024, venue="ICML", arxiv="2402.17152",
    ),
    batches=NextItem(history=200, users=128),
    backbone=Hstu(width=50, depth=2, heads=1, head_width=50, dropout=0.2),
    model=ItemScorer(scaled=True, normalized=True, temperature=0.05),
    objective=SampledSoftmax(negatives=UniformNegatives(count=128)),
    decoder=TopScores(),
    procedure=Supervised(loop=Loop(epochs=101, optimizer=AdamW(rate=1e-3, beta2=0.98))),
)  # fmt: skip
VARIANTS = {
    "large": RECIPE.changed(
        {"name": "hstu_large", "backbone.depth": 8, "backbone.heads": 2, "backbone.head_width": 25}
    ),
    "tuned": RECIPE.changed(
        {
            "name": "hstu_tuned",
            "batches": {"users": 64, "wander": 0.4},
            "backbone": {"width": 64, "heads": 2, "head_width": 32},
            "model": ItemScorer(scaled=True),
            "objective": FullSoftmax(),
            "procedure.loop": {
                "epochs": 24,
                "evaluate_every": 2,
                "optimizer": {"rate": 3e-3, "schedule": "linear", "warmup": 0.08},
            },
        }
    ),
    "small": RECIPE.changed({"name": "hstu_small", "batches.history": 50, "procedure.loop.epochs": 20}),
}
CLAIMS = (
    Claim(
        system="hstu_tuned",
        row="ml-1m",
        data="ml-1m/sequences.parquet",
        published={"HR@10": 0.3097, "NDCG@10": 0.1720},
        source="HSTU in the released code's README: leave-one-out, length 200, seen filtered, but with the target's "
        "time known, 3,706 items and the epoch chosen on the test item: not the same question as ours",
        evidence="read",
        seeds=1,
    ),
)
