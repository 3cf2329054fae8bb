"""GRU4Rec: a recurrent network over the items of a session.

Hidasi et al. 2016, "Session-based Recommendations with Recurrent Neural Networks", ICLR, arXiv:1511.06939; the loss
follows Hidasi & Karatzoglou 2018 (arXiv:1706.03847) in comparing with the batch's other targets and with extra items.
Differs from both: a softmax with logQ correction in the place of TOP1 and BPR-max, and whole histories in a batch in
the place of session-parallel steps, so that every event of a user is one gradient away from all before it.
"""

from __future__ import annotations

from segue.backbones.gru import Gru
from segue.core.recipe import Paper, ScoringRecipe
from segue.data.negatives import InBatchNegatives, MixedNegatives, UniformNegatives
from segue.data.sequences import NextItem
from segue.decoding.top_scores import TopScores
from segue.models.item_scorer import ItemScorer
from segue.objectives.sampled_softmax import SampledSoftmax
from segue.procedures.supervised import Supervised
from segue.training.loop import Loop
from segue.training.optim import AdamW

RECIPE = ScoringRecipe(
    name="gru4rec",
    paper=Paper(
        authors="Hidasi, Karatzoglou, Baltrunas, Tikk",
        title="Session-based Recommendations with Recurrent Neural Networks",
        year=2016, venue="ICLR", arxiv="1511.06939",
    ),
    batches=NextItem(history=200, users=64),
    backbone=Gru(width=128, depth=1, dropout=0.2),
    model=ItemScorer(),
    objective=SampledSoftmax(
        negatives=MixedNegatives(first=InBatchNegatives(most=256), second=UniformNegatives(count=512)), corrected=True
    ),
    decoder=TopScores(),
    procedure=Supervised(loop=Loop(epochs=40, optimizer=AdamW(rate=2e-3, schedule="linear"), clip=1.0, patience=5)),
)  # fmt: skip
VARIANTS = {
    "small": RECIPE.changed(
        {"name": "gru4rec_small", "batches.history": 50, "batches.users": 32, "backbone.width": 32,
         "backbone.dropout": 0.1, "procedure.loop.epochs": 10, "procedure.loop.optimizer.rate": 1e-2,
         "procedure.loop.patience": 0}
    )
}  # fmt: skip
