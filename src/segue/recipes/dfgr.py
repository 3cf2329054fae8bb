"""DFGR: generative ranking with one token an interaction and two flows, a real one and one that is asked about.

Guo et al. 2025, "Action is All You Need: Dual-Flow Generative Ranking Network for Recommendation", arXiv:2505.16752.
Written from the abstracts and summaries of the paper, whose settings and tables we could not read: optimiser and
dropout are those of Meta's public ranking configuration for KuaiRand-1K, which is also the size of `dfgr_large`.
Differs: what is shown in one request sees no action of that request, by the rule that a later summary states; facts
about user and place enter before the heads, and the user's id nowhere. The weights of queries, keys, values and gates
begin wider than HSTU's 0.02, at which the first layer's output is so small that it takes epochs to be noticed.
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
    name="dfgr",
    paper=Paper(
        authors="Guo, Xue, Huang, Wang, Wang, Wang, Wang, Chen",
        title="Action is All You Need: Dual-Flow Generative Ranking Network for Recommendation",
        year=2025, arxiv="2505.16752",
    ),
    batches=SharedHistory(history=50, slack=50),
    backbone=Hstu(width=64, depth=2, heads=2, head_width=32, dropout=0.1, spread=0.1),
    model=DualFlowRanker(),
    objective=ActionLikelihood(),
    procedure=SupervisedRanking(
        loop=Loop(epochs=10, optimizer=AdamW(rate=1e-3, beta1=0.95, beta2=0.999), patience=2)
    ),
)  # fmt: skip
VARIANTS = {
    "own": RECIPE.changed({"name": "dfgr_own", "backbone.own": True}),
    "blind": RECIPE.changed({"name": "dfgr_blind", "model.actions": "none"}),
    "single": RECIPE.changed({"name": "dfgr_single", "backbone.own": True, "model": InterleavedRanker(apart=False)}),
    "large": RECIPE.changed(
        {
            "name": "dfgr_large",
            "batches": {"history": 200, "slack": 200},
            "backbone": {"width": 512, "depth": 5, "heads": 4, "head_width": 128, "dropout": 0.2, "spread": 0.04},
            "model": {"width": 64, "hidden": [512]},
            "procedure.loop.epochs": 5,
        }
    ),
    "small": RECIPE.changed(
        {
            "name": "dfgr_small",
            "batches": {"history": 20, "slack": 20},
            "backbone": {"width": 32, "head_width": 16, "dropout": 0.0},
            "model": {"width": 16, "hidden": [32]},
            "procedure.loop": {"epochs": 10, "patience": 0, "optimizer": AdamW(rate=5e-3)},
        }
    ),
}
CLAIMS = (
    *ranking_claims("dfgr", {"model.width": 64}, reference=True),
    *ranking_claims("dfgr_single", {"model.width": 64}),
    *ranking_claims("dfgr_blind", {"model.width": 64}),
)
