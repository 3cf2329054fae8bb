"""LLaRA: behind each title that a language model is told stands what a recommender knows of the item.

Liao et al. 2024, "LLaRA: Large Language-Recommendation Assistant", SIGIR, arXiv:2312.02445, in the form in which SOFT
takes it as a backbone: a placeholder behind each title of the history, in whose place the item's vector in a SASRec is
read, through a projector that is learnt with the adapters. The output is BIGRec's: a title, grounded by the frozen
language model. LLaRA itself picks one of twenty candidates and hands over from text prompts to hybrid ones on the way;
neither is here.
"""

from __future__ import annotations

from segue.backbones.pretrained_lm import PretrainedLm
from segue.core.recipe import Paper
from segue.core.text_recipe import TextRecipe
from segue.data.sequences import EveryPrefix
from segue.decoding.nearest_items import NearestItems
from segue.language.instruction import Instruction
from segue.models.text_generator import TextGenerator
from segue.objectives.next_words import NextWords
from segue.procedures.supervised import Supervised
from segue.recipes._text_tables import SASREC, SMALL, SMALL_SASREC, TINY, TUNING, text_claims
from segue.training.loop import Loop
from segue.training.optim import AdamW

RECIPE = TextRecipe(
    name="llara",
    paper=Paper(
        authors="Liao et al.", title="LLaRA: Large Language-Recommendation Assistant", year=2024, venue="SIGIR",
        arxiv="2312.02445",
    ),
    batches=EveryPrefix(history=10, users=256, samples=4096),
    prompts=Instruction(history=10, behaviour=True),
    behaviour=SASREC,
    backbone=PretrainedLm(checkpoint="meta-llama/Llama-3.2-3B", length=700),
    model=TextGenerator(length=128),
    objective=NextWords(),
    decoder=NearestItems(beams=4, length=128),
    procedure=Supervised(
        loop=Loop(
            epochs=7, patience=2, optimizer=AdamW(rate=1e-4, beta2=0.999, warmup_steps=20), accumulation=32,
        ),
        users=512,
    ),
)  # fmt: skip
_TUNED = Supervised(loop=TUNING, users=256, seen=True)
VARIANTS = {
    "tiny": RECIPE.changed(TINY | {"name": "llara_tiny", "procedure": _TUNED}),
    "small": RECIPE.changed(SMALL | {"name": "llara_small", "procedure": _TUNED, "behaviour": SMALL_SASREC}),
}
CLAIMS = text_claims("llara_tiny", behaviour="sasrec_world", beside="bigrec_tiny")
