"""Flower: every code on the way to an item is written in proportion to how much of the log lies behind it.

Gao et al. 2025, "Process-Supervised LLM Recommenders via Flow-guided Tuning", SIGIR, arXiv:2503.07377. The flow
through each prefix is known, not learnt: the share of training events below it, bent by a collaborative model.
Sub-trajectory balance with these flows stands beside the supervised loss. Differs: codes in place of the words of
titles, so that no prefix ends early and the paper's stop probability falls away.
"""

from __future__ import annotations

from segue.backbones.causal_transformer import CausalTransformer
from segue.core.recipe import Paper, ScoringRecipe, TokenRecipe
from segue.data.negatives import UniformNegatives
from segue.data.sequences import NextItem
from segue.decoding.beam_search import BeamSearch
from segue.decoding.top_scores import TopScores
from segue.encoders.collaborative_vectors import CollaborativeVectors
from segue.encoders.joined_vectors import JoinedVectors
from segue.encoders.text_vectors import TextVectors
from segue.models.item_scorer import ItemScorer
from segue.models.token_generator import TokenGenerator
from segue.objectives.flow_balance import FlowBalance
from segue.objectives.joint import Joint
from segue.objectives.next_code import NextCode
from segue.objectives.sampled_softmax import SampledSoftmax
from segue.procedures.rollout_finetune import RolloutFinetune
from segue.procedures.supervised import Supervised
from segue.rewards.item_share import ItemShare
from segue.tokenizers.residual_k_means import ResidualKMeans
from segue.training.loop import Loop
from segue.training.optim import AdamW
from segue.trajectories.random_items import RandomItems

_SASREC = ScoringRecipe(
    name="sasrec",
    paper=Paper(
        authors="Kang, McAuley", title="Self-Attentive Sequential Recommendation", year=2018, venue="ICDM",
        arxiv="1808.09781",
    ),
    batches=NextItem(history=50, users=128),
    backbone=CausalTransformer(
        width=64, depth=2, heads=1, inner=256, dropout=0.2, activation="gelu", position="rotary"
    ),
    model=ItemScorer(),
    objective=SampledSoftmax(negatives=UniformNegatives(count=3000)),
    decoder=TopScores(),
    procedure=Supervised(
        loop=Loop(epochs=12, optimizer=AdamW(rate=4e-3, schedule="linear", warmup=0.08), evaluate_every=2)
    ),
)  # fmt: skip
RECIPE = TokenRecipe(
    name="flower",
    paper=Paper(
        authors="Gao et al.", title="Process-Supervised LLM Recommenders via Flow-guided Tuning", year=2025,
        venue="SIGIR", arxiv="2503.07377",
    ),
    batches=NextItem(history=20, users=64),
    tokenizer=ResidualKMeans(
        encoder=JoinedVectors(encoders=(TextVectors(), CollaborativeVectors(width=64))), levels=3
    ),
    backbone=CausalTransformer(
        width=128, depth=3, heads=4, inner=512, dropout=0.3, activation="gelu", position="rotary"
    ),
    model=TokenGenerator(),
    objective=Joint(
        supervised=NextCode(smoothing=0.1), beside=FlowBalance(balance="sub_trajectory"), weight=0.005
    ),
    decoder=BeamSearch(beams=20),
    procedure=RolloutFinetune(
        before=Loop(epochs=12, optimizer=AdamW(rate=3e-3, schedule="linear", warmup=0.08), evaluate_every=3),
        loop=Loop(epochs=2, optimizer=AdamW(rate=5e-4, schedule="linear", warmup=0.05)),
        sampler=RandomItems(), reward=ItemShare(), count=1, collaborative=_SASREC,
    ),
)  # fmt: skip
VARIANTS = {
    "small": RECIPE.changed(
        {
            "name": "flower_small",
            "batches.users": 32,
            "tokenizer": ResidualKMeans(encoder=TextVectors(width=16), levels=2, size=8),
            "backbone": CausalTransformer(width=32, depth=1, heads=2, inner=64, dropout=0.0),
            "objective.supervised.smoothing": 0.0,
            "decoder.beams": 10,
            "procedure.collaborative": _SASREC.changed(
                {
                    "backbone.width": 16,
                    "procedure.loop.epochs": 3,
                    "objective.negatives.count": 16,
                    "batches.history": 20,
                }
            ),
            "procedure.before": Loop(
                epochs=40, optimizer=AdamW(rate=5e-3, schedule="linear", warmup=0.05), evaluate_every=40
            ),
            "procedure.loop.epochs": 2,
            "procedure.loop.evaluate_every": 2,
        }
    ),
}
