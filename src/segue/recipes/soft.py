"""SOFT: a language model that recommends learns its own drafts first, and the true titles as it comes nearer to them.

"SOFT: self-optimised fine-tuning of LLM recommenders"; settings of the released code, on BIGRec's backbone. `llara` is
the paper's other one, with a vector of each item behind its title. Controls: `no_sa` learns drafts alone for ever,
`fixed` and `linear` give them another share, `sft_then_sd` goes on with the tuned model instead of beginning anew,
`sd_then_sft` learns drafts for half of the epochs and titles for the rest, and `equal_compute` is BIGRec's plain tuning
for as many steps. `tiny` and `small` as in `bigrec`.
"""

from __future__ import annotations

from typing import Any

from segue.backbones.pretrained_lm import PretrainedLm
from segue.core.recipe import Paper
from segue.core.text_recipe import TextRecipe
from segue.data.sequences import EveryPrefix
from segue.decoding.nearest_items import NearestItems
from segue.language.instruction import Instruction
from segue.models.text_generator import TextGenerator
from segue.objectives.next_words import NextWords
from segue.procedures.self_curriculum import SelfCurriculum
from segue.procedures.supervised import Supervised
from segue.recipes._text_tables import POPULARITY, SASREC, SMALL, TINY, TRIE, TUNING, text_claims
from segue.training.loop import Loop
from segue.training.optim import AdamW
from segue.training.shares import FixedShare, LinearShare, Staged

_LOOP = Loop(epochs=7, patience=2, optimizer=AdamW(rate=1e-4, beta2=0.999, warmup_steps=20), accumulation=32)
RECIPE = TextRecipe(
    name="soft",
    paper=Paper(
        authors="Tang et al.",
        title="Bridging the Gap: Self-Optimized Fine-Tuning for LLM-based Recommender Systems", year=2025,
        arxiv="2505.20771",
    ),
    batches=EveryPrefix(history=10, users=256, samples=4096),
    prompts=Instruction(history=10),
    backbone=PretrainedLm(checkpoint="meta-llama/Llama-3.2-3B", length=700),
    model=TextGenerator(length=64),
    objective=NextWords(),
    decoder=NearestItems(beams=4, length=64),
    procedure=SelfCurriculum(tuning=_LOOP, curriculum=_LOOP, users=512),
)  # fmt: skip
_CURRICULUM = SelfCurriculum(tuning=TUNING, curriculum=TUNING, length=24, users=256, seen=True)
_LLARA: dict[str, Any] = {"prompts.behaviour": True, "behaviour": SASREC}
_CONTROLS: dict[str, dict[str, Any]] = {
    "no_sa": {"procedure.schedule": FixedShare(value=1.0)},
    "fixed": {"procedure.schedule": FixedShare(value=0.5)},
    "linear": {"procedure.schedule": LinearShare()},
    "sft_then_sd": {"procedure.schedule": FixedShare(value=1.0), "procedure.restart": False},
    "sd_then_sft": {"procedure.schedule": Staged(epochs=4)},
}
_TINY = RECIPE.changed(TINY | {"name": "soft_tiny", "procedure": _CURRICULUM})
VARIANTS = {
    "llara": RECIPE.changed(
        _LLARA | {"name": "soft_llara", "model.length": 128, "decoder.length": 128, "procedure.length": 128}
    ),
    **{name: RECIPE.changed(changes | {"name": f"soft_{name}"}) for name, changes in _CONTROLS.items()},
    "equal_compute": RECIPE.changed(
        {"name": "soft_equal_compute", "procedure": Supervised(loop=_LOOP.changed({"epochs": 14}), users=512)}
    ),
    "tiny": _TINY,
    "tiny_llara": _TINY.changed(_LLARA | {"name": "soft_tiny_llara"}),
    "small": RECIPE.changed(
        SMALL
        | {"name": "soft_small", "procedure": _CURRICULUM.changed({"distance_cases": 64, "beams": 2, "length": 24})}
    ),
}
_ALPHAS = (0.1, 1.0, 10.0, 100.0)
_CONTROL: dict[str, Any] = {"drafts": "soft_tiny", "beside": "soft_tiny"}
"""Schedules and controls learn the drafts that are there."""
_TWICE: dict[str, Any] = {"procedure.loop.epochs": 2 * TUNING.epochs}
_LONGER: dict[str, Any] = {
    "procedure.tuning.epochs": 2 * TUNING.epochs, "procedure.curriculum.epochs": 2 * TUNING.epochs,
}  # fmt: skip
"""Both steps twice as long: three epochs are too few to learn more than some popular titles."""
_LEARNT = ("industrial",)
"""Where more epochs teach the small model more, so that there is something to be told apart."""
_LONGER_CONTROL: dict[str, Any] = {"sets": _LEARNT, "drafts": "soft_tiny--longer", "beside": "soft_tiny--longer"}
CLAIMS = (
    *text_claims("sasrec_world", told=False, seeds=1),
    *text_claims("soft_tiny", tuned="bigrec_tiny", beside="bigrec_tiny"),
    *text_claims(
        "soft_tiny", asked=TRIE, suffix="-trie", trained="", tuned="bigrec_tiny", beside="bigrec_tiny--trie"
    ),
    *text_claims(
        "soft_tiny", asked=POPULARITY, suffix="-popularity", trained="", tuned="bigrec_tiny",
        beside="bigrec_tiny--popularity",
    ),
    *text_claims("soft_tiny_llara", tuned="llara_tiny", behaviour="sasrec_world", beside="llara_tiny"),
    *text_claims("soft_tiny", _CONTROLS["no_sa"], suffix="-no-sa", **_CONTROL),
    *text_claims("soft_tiny", _CONTROLS["fixed"], suffix="-fixed", **_CONTROL),
    *text_claims("soft_tiny", _CONTROLS["linear"], suffix="-linear", **_CONTROL),
    *text_claims("soft_tiny", _CONTROLS["sft_then_sd"], suffix="-sft-then-sd", tuned="bigrec_tiny", **_CONTROL),
    *text_claims(
        "soft_tiny", {"procedure.schedule": Staged(epochs=TUNING.epochs // 2)}, suffix="-sd-then-sft", **_CONTROL
    ),
    *text_claims("bigrec_tiny", _TWICE, suffix="-equal-compute", beside="soft_tiny"),
    *text_claims(
        "soft_tiny", _LONGER, suffix="-longer", sets=_LEARNT, tuned="bigrec_tiny--equal-compute",
        beside="bigrec_tiny--equal-compute",
    ),
    *text_claims(
        "bigrec_tiny", _TWICE, asked=TRIE, suffix="-equal-compute-trie", trained="-equal-compute", sets=_LEARNT
    ),
    *text_claims(
        "soft_tiny", _LONGER, asked=TRIE, suffix="-longer-trie", trained="-longer", sets=_LEARNT,
        tuned="bigrec_tiny--equal-compute", beside="bigrec_tiny--equal-compute-trie",
    ),
    *text_claims(
        "bigrec_tiny", {"procedure.loop.epochs": 4 * TUNING.epochs}, suffix="-longer-equal-compute",
        sets=_LEARNT, beside="soft_tiny--longer",
    ),
    *text_claims("soft_tiny", _LONGER | _CONTROLS["no_sa"], suffix="-longer-no-sa", **_LONGER_CONTROL),
    *text_claims("soft_tiny", _LONGER | _CONTROLS["fixed"], suffix="-longer-fixed", **_LONGER_CONTROL),
    *text_claims("soft_tiny", _LONGER | _CONTROLS["linear"], suffix="-longer-linear", **_LONGER_CONTROL),
    *text_claims(
        "llara_tiny", _TWICE, suffix="-longer", sets=_LEARNT, behaviour="sasrec_world",
        beside="bigrec_tiny--equal-compute",
    ),
    *text_claims(
        "soft_tiny_llara", _LONGER, suffix="-longer", sets=_LEARNT, tuned="llara_tiny--longer",
        behaviour="sasrec_world", beside="llara_tiny--longer",
    ),
    *(
        claim
        for alpha in _ALPHAS
        for claim in text_claims(
            "soft_tiny", {} if alpha == 1 else {"procedure.schedule.alpha": alpha}, suffix=f"-alpha-{alpha:g}",
            sweep="alpha", at=alpha, trained="" if alpha == 1 else None,
            beside="" if alpha == 1 else "bigrec_tiny",
            tuned="bigrec_tiny" if alpha == 1 else "", drafts="" if alpha == 1 else "soft_tiny",
        )
    ),
    *(
        claim
        for alpha in _ALPHAS
        for claim in text_claims(
            "soft_tiny", _LONGER | ({} if alpha == 1 else {"procedure.schedule.alpha": alpha}),
            suffix=f"-longer-alpha-{alpha:g}", sets=_LEARNT, sweep="alpha, longer", at=alpha,
            trained="-longer" if alpha == 1 else None,
            beside="" if alpha == 1 else "bigrec_tiny--equal-compute",
            tuned="bigrec_tiny--equal-compute" if alpha == 1 else "", drafts="" if alpha == 1 else "soft_tiny--longer",
        )
    ),
)  # fmt: skip
