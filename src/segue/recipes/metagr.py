"""MetaGR: HSTU as a ranker, with items and actions in turn.

Zhai et al. 2024, "Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for Generative
Recommendations", ICML, arXiv:2402.17152, section 2.2; the name is that of DFGR, arXiv:2505.16752. Optimiser and dropout
are those of Meta's public ranking configuration. Differs: candidates see no action of their own request in use; facts
about user and place enter before the heads, and the user's id nowhere; weights begin as wide as in our DFGR. As
published, an item learns from actions of earlier items of its own request, which are not there in use; the time bias
makes it easy to lean on them (`backbone.timed=false` learned test requests better). `metagr_merged` has one token an
event and learns from the last request of each pass alone, as a merged token of one flow must.
"""

from __future__ import annotations

from segue.backbones.hstu import Hstu
from segue.core.ranking_recipe import RankingRecipe
from segue.core.recipe import Paper
from segue.data.passes import SharedHistory
from segue.models.dual_flow_ranker import DualFlowRanker
from segue.models.interleaved_ranker import InterleavedRanker
from segue.objectives.action_likelihood import ActionLikelihood
from segue.procedures.supervised_ranking import SupervisedRanking
from segue.recipes._ranking_tables import ranking_claims
from segue.training.loop import Loop
from segue.training.optim import AdamW

RECIPE = RankingRecipe(
    name="metagr",
    paper=Paper(
        authors="Zhai, Liao, Liu, Wang, Li, Cao, Gao, Gong, Gu, He, Lu, Shi",
        title="Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for Generative "
        "Recommendations",
        year=2024, venue="ICML", arxiv="2402.17152",
    ),
    batches=SharedHistory(history=50, slack=50),
    backbone=Hstu(width=64, depth=2, heads=2, head_width=32, dropout=0.1, own=True, spread=0.1),
    model=InterleavedRanker(),
    objective=ActionLikelihood(),
    procedure=SupervisedRanking(
        loop=Loop(epochs=10, optimizer=AdamW(rate=1e-3, beta1=0.95, beta2=0.999), patience=2)
    ),
)  # fmt: skip
VARIANTS = {
    "merged": RECIPE.changed({"name": "metagr_merged", "batches.latest": True, "model": DualFlowRanker()}),
    "session": RECIPE.changed({"name": "metagr_session", "model.session_aware": True}),
    "small": RECIPE.changed(
        {
            "name": "metagr_small",
            "batches": {"history": 20, "slack": 20, "users": 16},
            "backbone": {"width": 32, "head_width": 16, "dropout": 0.0},
            "model": {"width": 16, "hidden": [32]},
            "procedure.loop": {"epochs": 30, "patience": 0, "optimizer": AdamW(rate=3e-3, schedule="linear")},
        }
    ),
}
CLAIMS = (
    *ranking_claims("metagr", {"model.width": 64}),
    *ranking_claims("metagr_session", {"model.width": 64}),
    *ranking_claims("metagr_merged", {"model.width": 64}),
)
