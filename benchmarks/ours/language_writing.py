"""Titles written by a small language model: users per second, beside `generate` of transformers with the same weights.

Both sides get the same prompts, turn about in one process: an instruction that is the same for everybody and the titles
of a history. Ours reads the instruction once and a history once for all of its beams; theirs pads on the left and has a
copy of the prompt for each beam. The texts are compared. `--items` is a table with a column `title`; the checkpoint is
made on the spot, in a folder that is gone afterwards unless `--checkpoint` names one to keep.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from benchmarks.measuring import arguments, begin, report

PACKAGES = ("segue", "torch", "transformers")
PREAMBLE = (
    "A task follows, and what is known of one person. Answer the task under the last heading.\n\n### Instruction:\n"
    "You are told which products a person bought. Recommend one other title.\n\n### Input:\nThe oldest first:\n"
)


def main() -> None:
    parser = arguments(__doc__ or "", log=False)
    parser.add_argument("--items", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, default=None)
    parser.add_argument("--steps", type=int, default=150, help="training steps of the checkpoint")
    parser.add_argument("--users", type=int, default=256)
    parser.add_argument("--beams", type=int, default=4)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--prompt", type=int, default=150, help="tokens of a prompt in the mean, instruction included")
    parser.add_argument("--batch", type=int, default=32, help="users of a batch of theirs")
    parser.add_argument("--rounds", type=int, default=3)
    given = begin(parser)
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory() as passing:
        folder = given.checkpoint or Path(passing) / "checkpoint"
        titles = pl.read_parquet(given.items)["title"].drop_nulls().unique(maintain_order=True)[:5000]
        model, theirs, tokenizer = models(folder, titles, given)
    past = histories(model, given)
    lengths = model._prompts(*past.packed(), np.zeros(len(past), dtype=np.int64)).lengths + len(model._ahead)
    our_seconds, their_seconds = [], []
    for _ in range(given.rounds):
        start = time.perf_counter()
        drafts = model.write(past, beams=given.beams, length=given.length)
        our_seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
        texts, scores = generate(model, theirs, tokenizer, past, given)
        their_seconds.append(time.perf_counter() - start)
    ratios = [other / own for own, other in zip(our_seconds, their_seconds, strict=True)]
    written = model.responses(drafts.texts).rows.lengths
    report(
        given, "segue_language_writing", "free beam search", round(given.users / min(our_seconds), 2), "users/s",
        PACKAGES, seconds=rounded(our_seconds), their_seconds=rounded(their_seconds),
        their_users_s=round(given.users / min(their_seconds), 2), ratio=round(float(np.median(ratios)), 2),
        ratios=rounded(ratios), texts_equal=float((drafts.texts == texts).mean()),
        largest_score_difference=float(np.abs(scores - drafts.scores).max()), beams=given.beams, length=given.length,
        tokens_a_prompt=round(float(lengths.mean()), 1), tokens_of_preamble=len(model._ahead),
        tokens_a_text=round(float(written.float().mean()), 1), users=given.users, their_batch=given.batch,
        parameters=sum(weight.numel() for weight in theirs.parameters()),
    )  # fmt: skip


def models(folder: Path, titles: pl.Series, given: Any) -> tuple[Any, Any, Any]:
    """Ours, theirs and the tokenizer, from one checkpoint, made here where it does not exist yet."""
    import transformers

    from segue.backbones.pretrained_lm import PretrainedLm
    from segue.core.run import Run
    from segue.core.text_forms import Known
    from segue.language.instruction import Instruction
    from segue.language.tiny import TinyCheckpoint, make_tiny
    from segue.models.text_generator import TextGenerator

    prompts = Instruction()
    if not folder.exists():
        rows = np.random.default_rng(given.seed).integers(0, len(titles), (2000, 4))
        asked = prompts.asked(titles.gather(rows[:, :3].ravel()), np.arange(2001) * 3)
        texts = pl.concat([prompts.response(titles), PREAMBLE + asked + prompts.response(titles.gather(rows[:, 3]))])
        make_tiny(texts, folder, TinyCheckpoint(steps=given.steps), Run(seed=given.seed))
    backbone = PretrainedLm(checkpoint=str(folder), lora=None, precision="float32", length=1024)
    known = Known(titles, torch.ones(len(titles)), PREAMBLE, None)
    model = TextGenerator().build(backbone.load(str(folder)), prompts, known)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return model, theirs, transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")


def histories(model: Any, given: Any) -> Any:
    """Random histories, as long as the prompts are to be in the mean."""
    from segue.core.tables import Histories

    rng = np.random.default_rng(given.seed)
    a_title = float(model._responses.lengths.mean()) + 1
    events = max((given.prompt - len(model._ahead)) / a_title, 1)
    lengths = np.minimum(1 + rng.poisson(max(events - 1, 0), given.users), model.history)
    return Histories.from_lists([rng.integers(0, len(model.titles), length).tolist() for length in lengths])


def generate(model: Any, theirs: Any, tokenizer: Any, past: Any, given: Any) -> tuple[pl.Series, np.ndarray]:
    """The same by `generate`, batch by batch, rows of about one length together; prompts in the same tokens."""
    items, bounds = past.packed()
    asked = model.prompts.asked(model.titles.gather(model._title_of[items]), bounds).to_list()
    preamble = tokenizer(PREAMBLE)["input_ids"]
    rows = [preamble + row for row in tokenizer(asked, add_special_tokens=False)["input_ids"]]
    order = np.argsort([len(row) for row in rows], kind="stable")
    texts, scores = np.empty((len(rows), given.beams), dtype=object), np.empty((len(rows), given.beams))
    for first in range(0, len(rows), given.batch):
        some = order[first : first + given.batch]
        read = tokenizer.pad({"input_ids": [rows[row] for row in some]}, return_tensors="pt")
        written = theirs.generate(
            **read, num_beams=given.beams, num_return_sequences=given.beams, max_new_tokens=given.length,
            do_sample=False, length_penalty=1.0, early_stopping=False, return_dict_in_generate=True, output_scores=True,
        )  # fmt: skip
        words = tokenizer.batch_decode(written.sequences[:, read["input_ids"].shape[1] :], skip_special_tokens=True)
        texts[some] = np.array(words, dtype=object).reshape(len(some), given.beams)
        scores[some] = written.sequences_scores.view(len(some), given.beams).numpy()
    return pl.Series(texts.ravel().tolist()), scores


def rounded(values: list[float]) -> list[float]:
    return [round(value, 3) for value in values]


if __name__ == "__main__":
    main()
