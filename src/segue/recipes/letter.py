"""LETTER: TIGER's generator over codes that also know who took an item, and that use their codebooks evenly.

Wang et al. 2024, "Learnable Item Tokenization for Generative Recommendation", CIKM, arXiv:2405.07314; settings as in
the authors' repository. Its RQ-VAE draws the sum of an item's codes to its collaborative vector, spreads the codes of a
cluster, deals the last level out evenly, and re-assigns colliding items. Differs: the collaborative vectors are 32
numbers out of an SVD of the training histories unless a recommender is named (`tokenizer.collaborative.recipe` or
`.run`; theirs come from SASRec), and the item text is read by any encoder (theirs: LLaMA).
"""

from __future__ import annotations

from segue.backbones.causal_transformer import CausalTransformer
from segue.backbones.encoder_decoder import EncoderDecoder
from segue.core.claim import Claim
from segue.core.recipe import Paper, TokenRecipe
from segue.data.sequences import EveryPrefix, NextItem
from segue.decoding.beam_search import BeamSearch
from segue.encoders.collaborative_vectors import CollaborativeVectors
from segue.encoders.pretrained_text import PretrainedText
from segue.encoders.text_vectors import TextVectors
from segue.models.token_generator import TokenGenerator
from segue.objectives.next_code import NextCode
from segue.procedures.supervised import Supervised
from segue.tokenizers.collisions import SinkhornReassignment
from segue.tokenizers.rq_vae import RqVae
from segue.training.loop import Loop
from segue.training.optim import AdamW

_TOKENIZER = RqVae(
    encoder=PretrainedText(checkpoint="huggyllama/llama-7b", pooling="mean"), levels=4, width=32,
    hidden=(2048, 1024, 512, 256, 128, 64), epochs=20_000, balanced=True,
    collaborative=CollaborativeVectors(width=32), alpha=0.1, diversity=1e-4, collisions=SinkhornReassignment(),
)  # fmt: skip
RECIPE = TokenRecipe(
    name="letter",
    paper=Paper(
        authors="Wang et al.", title="Learnable Item Tokenization for Generative Recommendation", year=2024,
        venue="CIKM", arxiv="2405.07314",
    ),
    batches=EveryPrefix(history=20, users=1024),
    tokenizer=_TOKENIZER,
    backbone=EncoderDecoder(width=128, depth=4, heads=6, size=64, inner=1024, dropout=0.1),
    model=TokenGenerator(softmax="vocabulary", scaled=True, spread=1.0, ended=True),
    objective=NextCode(temperature=1.0),
    decoder=BeamSearch(beams=20),
    procedure=Supervised(
        loop=Loop(
            epochs=200, patience=20, optimizer=AdamW(rate=5e-4, decay=0.01, schedule="cosine", warmup=0.01)
        )
    ),
)  # fmt: skip
_TUNED = {
    "name": "letter_tuned",
    "batches": NextItem(history=20, users=64),
    "tokenizer": _TOKENIZER.changed({"encoder": TextVectors(), "hidden": [256, 128], "epochs": 200}),
    "backbone": CausalTransformer(
        width=128, depth=3, heads=4, inner=512, dropout=0.3, activation="gelu", position="rotary"
    ),
    "model": TokenGenerator(),
    "objective": NextCode(smoothing=0.1),
    "procedure": Supervised(
        loop=Loop(epochs=12, optimizer=AdamW(rate=3e-3, schedule="linear", warmup=0.08), evaluate_every=3)
    ),
}
VARIANTS = {
    "tuned": RECIPE.changed(_TUNED),
    "small": RECIPE.changed(
        _TUNED
        | {
            "name": "letter_small",
            "tokenizer": RqVae(
                encoder=TextVectors(width=16), levels=3, size=8, width=8, hidden=(16,), epochs=100, batch=20,
                balanced=True, collaborative=CollaborativeVectors(width=8), diversity=1e-3, clusters=2,
                collisions=SinkhornReassignment(),
            ),
            "backbone": CausalTransformer(width=32, depth=1, heads=2, inner=64, dropout=0.0),
            "batches.users": 32,
            "objective.smoothing": 0.0,
            "decoder.beams": 10,
            "procedure": Supervised(
                loop=Loop(epochs=30, optimizer=AdamW(rate=5e-3, schedule="linear", warmup=0.05), evaluate_every=10)
            ),
        }
    ),
}  # fmt: skip
CLAIMS = (
    Claim(
        system="letter_tuned",
        row="beauty-unfiltered",
        data="amazon-beauty",
        asked={"evaluation.seen": True},
        seeds=1,
    ),
    Claim(system="letter_tuned", row="beauty", data="amazon-beauty", trained="beauty-unfiltered", seeds=1),
)
