"""BIGRec: a language model is tuned to write the title of the next item, and its text is grounded in real items.

Bao et al. 2023, "A Bi-Step Grounding Paradigm for Large Language Models in Recommendation Systems", arXiv:2308.08434.
`RECIPE` has the settings of the released code for LLaMA-7B, without its rounding to 8 bits (set `backbone.bits=8` on
a GPU); like it, it learns the words of the prompts too. Any causal language model stands in by
`--set backbone.checkpoint=FOLDER`. The code keeps the epoch with the best loss on the validation cases; here it is the
one with the best NDCG.

`zero_shot` and `few_shot` ask the model as it is. `trie` writes within the trie of titles and grounds nothing. `tiny`
has a small language model, made on the spot from the data's own titles: with it nothing is downloaded, and what it
measures says nothing about large ones. `small` is to try things.
"""

from __future__ import annotations

from segue.backbones.pretrained_lm import PretrainedLm
from segue.core.recipe import Paper
from segue.core.text_recipe import TextRecipe
from segue.data.sequences import EveryPrefix
from segue.decoding.nearest_items import NearestItems
from segue.decoding.title_search import TitleSearch
from segue.language.instruction import Instruction
from segue.models.text_generator import TextGenerator
from segue.objectives.next_words import NextWords
from segue.procedures.supervised import Supervised
from segue.procedures.untrained import Untrained
from segue.recipes._text_tables import POPULARITY, SMALL, TINY, TRIE, TUNING, text_claims
from segue.training.loop import Loop
from segue.training.optim import AdamW

RECIPE = TextRecipe(
    name="bigrec",
    paper=Paper(
        authors="Bao et al.",
        title="A Bi-Step Grounding Paradigm for Large Language Models in Recommendation Systems", year=2023,
        arxiv="2308.08434",
    ),
    batches=EveryPrefix(history=10, users=128, samples=1024),
    prompts=Instruction(history=10),
    backbone=PretrainedLm(checkpoint="huggyllama/llama-7b", length=512),
    model=TextGenerator(length=128),
    objective=NextWords(completion_only=False),
    decoder=NearestItems(beams=4, length=128),
    procedure=Supervised(
        loop=Loop(
            epochs=50, patience=5, optimizer=AdamW(rate=1e-4, beta2=0.999, warmup_steps=20, schedule="linear"),
            accumulation=16,
        ),
        users=512,
    ),
)  # fmt: skip
_TUNED = Supervised(loop=TUNING, users=256, seen=True)
VARIANTS = {
    "zero_shot": RECIPE.changed({"name": "bigrec_zero_shot", "procedure": Untrained()}),
    "few_shot": RECIPE.changed({"name": "bigrec_few_shot", "procedure": Untrained(), "prompts.examples": 3}),
    "trie": RECIPE.changed({"name": "bigrec_trie", "decoder": TitleSearch()}),
    "tiny": RECIPE.changed(TINY | {"name": "bigrec_tiny", "procedure": _TUNED}),
    "small": RECIPE.changed(SMALL | {"name": "bigrec_small", "procedure": _TUNED}),
}
CLAIMS = (
    *text_claims("bigrec_tiny", {"procedure": Untrained()}, suffix="-zero-shot", seeds=1),
    *text_claims("bigrec_tiny", {"procedure": Untrained(), "prompts.examples": 3}, suffix="-few-shot", seeds=1),
    *text_claims("bigrec_tiny", reference=True),
    *text_claims("bigrec_tiny", asked=TRIE, suffix="-trie", trained=""),
    *text_claims("bigrec_tiny", asked=POPULARITY, suffix="-popularity", trained=""),
)
