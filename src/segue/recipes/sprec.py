"""SPRec: the generator argues with itself; what it recommended a round ago, and was not taken, shall lose probability.

Gao et al. 2025, "SPRec: Self-Play to Debias LLM-based Recommendation", WWW, arXiv:2412.09243. A round is an epoch: the
frozen generator is the one of its beginning, and its own recommendations are the negatives. Differs: the paper learns
from the positives and from the pairs in turn, here both losses stand side by side in each step; codes in place of
titles.
"""

from __future__ import annotations

from segue.backbones.causal_transformer import CausalTransformer
from segue.core.recipe import Paper, TokenRecipe
from segue.data.sequences import NextItem
from segue.decoding.beam_search import BeamSearch
from segue.encoders.collaborative_vectors import CollaborativeVectors
from segue.encoders.joined_vectors import JoinedVectors
from segue.encoders.text_vectors import TextVectors
from segue.models.token_generator import TokenGenerator
from segue.objectives.joint import Joint
from segue.objectives.next_code import NextCode
from segue.objectives.preference import Preference
from segue.procedures.rollout_finetune import RolloutFinetune
from segue.rewards.trajectory_value import TrajectoryValue
from segue.tokenizers.residual_k_means import ResidualKMeans
from segue.training.loop import Loop
from segue.training.optim import AdamW
from segue.trajectories.own_beam import OwnBeam

RECIPE = TokenRecipe(
    name="sprec",
    paper=Paper(
        authors="Gao et al.", title="SPRec: Self-Play to Debias LLM-based Recommendation", year=2025, venue="WWW",
        arxiv="2412.09243",
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
        supervised=NextCode(smoothing=0.1), beside=Preference(beta=1.0), weight=1.0, keep=1.0
    ),
    decoder=BeamSearch(beams=20),
    procedure=RolloutFinetune(
        before=Loop(epochs=12, optimizer=AdamW(rate=3e-3, schedule="linear", warmup=0.08), evaluate_every=3),
        loop=Loop(epochs=2, optimizer=AdamW(rate=5e-4, schedule="linear", warmup=0.05)),
        sampler=OwnBeam(decoder=BeamSearch(beams=20)), reward=TrajectoryValue(utility="none"), count=2, renewed=True,
        from_reference=True,
    ),
)  # fmt: skip
VARIANTS = {
    "small": RECIPE.changed(
        {
            "name": "sprec_small",
            "batches.users": 32,
            "tokenizer": ResidualKMeans(encoder=TextVectors(width=16), levels=2, size=8),
            "backbone": CausalTransformer(width=32, depth=1, heads=2, inner=64, dropout=0.0),
            "objective.supervised.smoothing": 0.0,
            "decoder.beams": 10,
            "procedure.before": Loop(
                epochs=40, optimizer=AdamW(rate=5e-3, schedule="linear", warmup=0.05), evaluate_every=40
            ),
            "procedure.loop.epochs": 2,
            "procedure.loop.evaluate_every": 2,
        }
    ),
}
