"""GRPO: draws of the generator that earn more than their group become more probable.

Shao et al. 2024, "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language Models",
arXiv:2402.03300, section 4, with GFlowGR's reward in place of a verifier, as in its comparison. Groups are drawn anew
for every step, so each draw is used once. The supervised loss stays beside it: alone, it lost a fifth of the
validation score in one epoch.
"""

from __future__ import annotations

from segue.backbones.causal_transformer import CausalTransformer
from segue.core.recipe import Paper, ScoringRecipe, TokenRecipe
from segue.data.negatives import UniformNegatives
from segue.data.sequences import NextItem
from segue.decoding.beam_search import BeamSearch
from segue.decoding.sampling import Sampling
from segue.decoding.top_scores import TopScores
from segue.encoders.collaborative_vectors import CollaborativeVectors
from segue.encoders.joined_vectors import JoinedVectors
from segue.encoders.text_vectors import TextVectors
from segue.models.item_scorer import ItemScorer
from segue.models.token_generator import TokenGenerator
from segue.objectives.joint import Joint
from segue.objectives.next_code import NextCode
from segue.objectives.policy_gradient import PolicyGradient
from segue.objectives.sampled_softmax import SampledSoftmax
from segue.procedures.rollout_finetune import RolloutFinetune
from segue.procedures.supervised import Supervised
from segue.rewards.trajectory_value import TrajectoryValue
from segue.tokenizers.residual_k_means import ResidualKMeans
from segue.training.loop import Loop
from segue.training.optim import AdamW
from segue.trajectories.own_draws import OwnDraws

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
    name="grpo",
    paper=Paper(
        authors="Shao et al.",
        title="DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language Models", year=2024,
        arxiv="2402.03300",
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
        supervised=NextCode(smoothing=0.1), beside=PolicyGradient(clip=0.2, kl=0.04), weight=0.1, keep=1.0
    ),
    decoder=BeamSearch(beams=20),
    procedure=RolloutFinetune(
        before=Loop(epochs=12, optimizer=AdamW(rate=3e-3, schedule="linear", warmup=0.08), evaluate_every=3),
        loop=Loop(epochs=2, optimizer=AdamW(rate=5e-4, schedule="linear", warmup=0.05)),
        sampler=OwnDraws(sampler=Sampling(), independent=True), reward=TrajectoryValue(), count=8, positive=False,
        collaborative=_SASREC,
    ),
)  # fmt: skip
VARIANTS = {
    "small": RECIPE.changed(
        {
            "name": "grpo_small",
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
