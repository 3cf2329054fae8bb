"""Our fine-tuning of a language model on prompts and titles beside transformers' `Trainer`: tokens per second.

Both start from the same checkpoint, made on the spot, and take the same cases in the same batches, the loss on the
titles alone. Theirs pads each batch to its longest case; ours packs, reads the preamble once for all cases, and asks
the head for the titles only. They run in turn (A B A B) in this process; the first step of a round is not counted. A
token is one of prompt and title, the preamble counted for each case, on both sides. Where the machine has other work,
take one thread (two wait for each other) and the ratio of processor time.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from benchmarks.measuring import arguments, begin, report
from segue.backbones.pretrained_lm import PretrainedLm
from segue.core.recipe import initialising
from segue.core.run import Run
from segue.core.tables import Histories, Split
from segue.core.text_forms import Known
from segue.data.sequences import EveryPrefix
from segue.language.instruction import Instruction
from segue.language.tiny import TinyCheckpoint, make_tiny
from segue.layers.adapters import Lora
from segue.models.text_generator import TextGenerator
from segue.objectives.next_words import NextWords
from segue.training.optim import AdamW
from segue.workflows.experiment import new
from segue.workflows.runs import split_of

PACKAGES = ("segue", "torch", "transformers", "peft", "accelerate")
RATE = 1e-4


def main() -> None:
    parser = arguments(__doc__ or "", log=False)
    parser.add_argument("--data", required=True, help="the data set's folder; its items have titles")
    parser.add_argument("--learn", choices=["adapters", "everything"], default="adapters")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--vocabulary", type=int, default=4000)
    parser.add_argument("--rows", type=int, default=32, help="cases in a batch")
    parser.add_argument("--steps", type=int, default=6, help="of a round, the first left out")
    parser.add_argument("--rounds", type=int, default=3)
    given = begin(parser)
    split = split_of(new("popularity", given.data))
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = made(given, split, Path(folder) / "checkpoint")
        model, batches = ours(given, split, checkpoint)
        windows, chunks = batches.epoch(split.train, np.random.default_rng(given.seed))
        chunks = chunks[: given.steps]
        cases = written(model, split, windows.take(np.concatenate(chunks)))
        tokens = sum(len(case["input_ids"]) for case in cases[given.rows :])
        taken: dict[str, list[np.ndarray]] = {"ours": [], "theirs": []}
        first: dict[str, float] = {}
        for _ in range(given.rounds):
            model, batches = ours(given, split, checkpoint)
            seconds, first["ours"] = trained(model, batches, windows, chunks)
            taken["ours"].append(seconds)
            seconds, first["theirs"] = trained_by_transformers(given, checkpoint, cases, folder)
            taken["theirs"].append(seconds)
    ratios = np.array(taken["theirs"]) / np.array(taken["ours"])  # rounds; on the wall, of the processor
    rates = {side: tokens / statistics.median(wall for wall, _ in of_side) for side, of_side in taken.items()}
    mean = tokens / (len(cases) - given.rows)
    report(
        given, f"segue_language_training_{given.learn}", "fine-tuning", round(rates["ours"], 1),
        "tokens/s", PACKAGES, ratio_to_transformers=round(float(np.median(ratios[:, 0])), 2),
        ratio_of_processor_time=round(float(np.median(ratios[:, 1])), 2), ratios=ratios.round(2).tolist(),
        transformers_tokens_s=round(rates["theirs"], 1),
        first_loss={name: round(loss, 6) for name, loss in first.items()},
        parameters=sum(parameter.numel() for parameter in model.trunk.parameters()), rows=given.rows,
        tokens_a_case=round(mean, 1), preamble_tokens=len(model._ahead),
        padded_tokens_a_case=round(padded(cases, given.rows), 1),
        answer_tokens_a_case=round(sum(sum(label >= 0 for label in case["labels"]) for case in cases) / len(cases), 1),
    )  # fmt: skip
    assert abs(first["ours"] - first["theirs"]) < 1e-4, f"they do not learn the same: {first}"


def made(given: Any, split: Split, folder: Path) -> str:
    """A checkpoint with a tokenizer of these titles and weights that know next to nothing."""
    prompts = Instruction().preamble(split, Run(seed=given.seed))
    texts = pl.concat([split.catalog.names(), pl.Series([prompts])])
    tiny = TinyCheckpoint(vocabulary=given.vocabulary, width=given.width, depth=given.depth, steps=1)
    make_tiny(texts, folder, tiny, Run(seed=given.seed))
    return str(folder)


def lora(given: Any) -> Lora | None:
    return Lora() if given.learn == "adapters" else None


def ours(given: Any, split: Split, checkpoint: str) -> tuple[Any, EveryPrefix]:
    prompts = Instruction()
    batches = EveryPrefix(history=prompts.history, users=given.rows, samples=given.rows * given.steps)
    part = PretrainedLm(checkpoint=checkpoint, lora=lora(given))
    preamble = prompts.preamble(split, Run(seed=given.seed))
    known = Known(split.catalog.names(), torch.from_numpy(split.item_counts()).float(), preamble, None)
    with initialising(given.seed):
        return TextGenerator().build(part.load(checkpoint), prompts, known), batches


def trained(model: Any, batches: EveryPrefix, windows: Histories, chunks: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """Seconds of all steps but the first, on the wall and of the processor, and the first loss."""
    optimizer = AdamW(rate=RATE, decay=0.0).build(model.train())
    losses, ends = [], []
    for rows in chunks:
        loss = NextWords()(model, batches.batch(windows, rows), torch.Generator()).mean
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
        ends.append((time.perf_counter(), time.process_time()))
    return np.subtract(ends[-1], ends[0]), losses[0]


def written(model: Any, split: Split, windows: Histories) -> list[dict[str, list[int]]]:
    """The tokens of each case and its labels, as the `Trainer` takes them; the tokens are those that ours reads."""
    items, bounds = windows.packed()
    told = np.delete(np.arange(len(items)), bounds[1:] - 1)
    answers = model._responses.take(model._title_of[items[bounds[1:] - 1]])
    asked = model._prompts(items[told], bounds - np.arange(len(bounds)), answers.lengths + 1)
    cases = []
    for row in range(len(asked.bounds) - 1):
        prompt = [*model._ahead.tolist(), *asked.tokens[asked.bounds[row] : asked.bounds[row + 1]].tolist()]
        answer = [*answers.tokens[answers.bounds[row] : answers.bounds[row + 1]].tolist(), model.trunk.end]
        cases.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    return cases


def padded(cases: list[dict[str, list[int]]], rows: int) -> float:
    """Tokens a case when each batch is padded to its longest."""
    lengths = np.array([len(case["input_ids"]) for case in cases]).reshape(-1, rows)
    return float(lengths.max(1).mean())


def trained_by_transformers(given: Any, checkpoint: str, cases: Any, folder: str) -> tuple[np.ndarray, float]:
    """The same of `Trainer`, with a collator that pads each batch."""
    import peft
    import transformers

    ends, losses = [], []

    class Clock(transformers.TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append((time.perf_counter(), time.process_time()))

        def on_log(self, *_: Any, logs: dict[str, float], **__: Any) -> None:
            if "loss" in logs:
                losses.append(logs["loss"])

    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint)
    if (adapters := lora(given)) is not None:
        model = peft.get_peft_model(
            model,
            peft.LoraConfig(
                r=adapters.rank, lora_alpha=adapters.alpha, lora_dropout=adapters.dropout,
                target_modules=list(adapters.targets),
            ),
        )  # fmt: skip
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    settings = transformers.TrainingArguments(
        output_dir=f"{folder}/trainer", per_device_train_batch_size=given.rows, num_train_epochs=1,
        learning_rate=RATE, lr_scheduler_type="constant", weight_decay=0.0, max_grad_norm=0.0,
        train_sampling_strategy="sequential", logging_steps=1, logging_nan_inf_filter=False, save_strategy="no",
        report_to="none", disable_tqdm=True, remove_unused_columns=False, use_cpu=True, seed=given.seed,
    )  # fmt: skip
    trainer = transformers.Trainer(
        model=model, args=settings, train_dataset=cases, callbacks=[Clock()],
        data_collator=transformers.DataCollatorForSeq2Seq(tokenizer, padding="longest"),
    )  # fmt: skip
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    return np.subtract(ends[-1], ends[0]), losses[0]


if __name__ == "__main__":
    main()
