"""A system that writes codes, as small as one can be; `workflows.small_tokens:RECIPE` on the command line."""

from segue.backbones.causal_transformer import CausalTransformer
from segue.core.recipe import Paper, TokenRecipe
from segue.data.sequences import NextItem
from segue.decoding.beam_search import BeamSearch
from segue.encoders.text_vectors import TextVectors
from segue.models.token_generator import TokenGenerator
from segue.objectives.next_code import NextCode
from segue.procedures.supervised import Supervised
from segue.tokenizers.residual_k_means import ResidualKMeans
from segue.training.loop import Loop
from segue.training.optim import AdamW

RECIPE = TokenRecipe(
    name="small_tokens",
    paper=Paper(authors="Nobody", title="Nothing", year=2026),
    batches=NextItem(history=8, users=16),
    tokenizer=ResidualKMeans(encoder=TextVectors(width=8), levels=2, size=4),
    backbone=CausalTransformer(width=8, depth=1, heads=1, inner=8, dropout=0.0),
    model=TokenGenerator(tied=False),
    objective=NextCode(),
    decoder=BeamSearch(beams=20),
    procedure=Supervised(loop=Loop(epochs=1, optimizer=AdamW(rate=1e-3), precision="float32")),
)
