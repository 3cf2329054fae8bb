"""S-DPO: what the user took shall gain probability over several items at once, compared with a frozen generator.

Chen et al. 2024, "On Softmax Direct Preference Optimization for Recommendation", NeurIPS, arXiv:2406.09215. There the
generator writes titles out of a prompt with candidates; here it writes codes, and the negatives come from the whole
catalogue, as in GFlowGR's comparison. `dpo` is the same with one negative (Rafailov et al. 2023, arXiv:2305.18290).
"""

from __future__ import annotations

from segue.backbones.causal_transformer import CausalTransformer
from segue.core.claim import Claim
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
from segue.trajectories.random_items import RandomItems

RECIPE = TokenRecipe(
    name="s_dpo",
    paper=Paper(
        authors="Chen et al.", title="On Softmax Direct Preference Optimization for Recommendation", year=2024,
        venue="NeurIPS", arxiv="2406.09215",
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
        supervised=NextCode(smoothing=0.1), beside=Preference(beta=1.0), weight=1.0, keep=0.0
    ),
    decoder=BeamSearch(beams=20),
    procedure=RolloutFinetune(
        before=Loop(epochs=12, optimizer=AdamW(rate=3e-3, schedule="linear", warmup=0.08), evaluate_every=3),
        loop=Loop(epochs=2, optimizer=AdamW(rate=1e-4, schedule="linear", warmup=0.05)),
        sampler=RandomItems(), reward=TrajectoryValue(utility="none"), count=4,
    ),
)  # fmt: skip
VARIANTS = {
    "small": RECIPE.changed(
        {
            "name": "s_dpo_small",
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
    "dpo": RECIPE.changed({"name": "s_dpo_dpo", "procedure.count": 2}),
}
_KUAIRAND = {
    "data.positive": "is_click==1",
    "data.keep_shown": True,
    "data.duplicates": "exact",
    "data.user_core": 4,
}
"""Clicks of the standard policy, of users with four or more."""
CLAIMS = (
    Claim(
        system="s_dpo",
        row="beauty-unfiltered",
        group="gflowgr",
        data="amazon-beauty",
        asked={"evaluation.seen": True},
        start="tiger_joint--beauty-unfiltered",
        published={"HR@5": 0.0390, "HR@10": 0.0607, "NDCG@5": 0.0259, "NDCG@10": 0.0336},
        source="S-DPO in GFlowGR's table, LETTER backbone; leave-one-out, seen items kept, whole catalogue",
        evidence="read",
    ),
    Claim(
        system="s_dpo", row="kuairand", data="kuairand-pure", settings=_KUAIRAND, group="gflowgr",
        start="tiger_world--kuairand",
    ),
)  # fmt: skip
