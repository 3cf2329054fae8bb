"""The same T5 in `transformers`: `generate` with `prefix_allowed_tokens_fn` over a trie, and its training step."""

import time
from collections import defaultdict
from typing import Any

import numpy as np
import torch

from benchmarks.measuring import begin, report
from benchmarks.t5_workload import BATCH, asked, given_arguments, models, workload
from segue.core.codes import ItemCodes
from segue.core.tables import Histories
from segue.data.sequences import EveryPrefix

PACKAGES = ("torch", "transformers")


def main() -> None:
    given = begin(given_arguments(__doc__ or ""))
    split, codes = workload(given)
    _, theirs = models(given, codes)
    if given.task == "decode":
        past = split.test.histories.take(asked(split, given.users)).latest(20)
        start = time.perf_counter()
        generate(theirs, codes, past, given.beams, given.k)
        seconds = [time.perf_counter() - start]
        report(
            given, "transformers_t5_decode", "beam search", round(given.users / min(seconds), 2), "users/s", PACKAGES,
            seconds=[round(second, 3) for second in seconds], beams=given.beams, batch=BATCH, k=given.k,
        )  # fmt: skip
        return
    batches = EveryPrefix(history=20, users=256)
    windows, chunks = batches.epoch(split.train, np.random.default_rng(0))
    tokens = torch.from_numpy(codes.codes + np.array(codes.offsets)) + 1
    theirs.train()
    optimizer = torch.optim.AdamW(theirs.parameters(), lr=5e-4, weight_decay=0.01)
    seconds = []
    for rows in chunks[: given.batches]:
        start = time.perf_counter()
        some = windows.take(rows)
        context = Histories(some.items, some.starts, some.ends - 1, some.users)
        inputs = padded(tokens, context)
        answer = theirs(input_ids=inputs, attention_mask=inputs > 0, labels=tokens[some.items[some.ends - 1]])
        optimizer.zero_grad()
        answer.loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    cases = sum(len(rows) for rows in chunks[1 : given.batches])
    report(
        given, "transformers_t5_train", "training", round(cases / sum(seconds[1:]), 1), "cases/s", PACKAGES,
        seconds=[round(second, 3) for second in seconds], batch=256, padded="to the longest of each batch",
    )  # fmt: skip


def padded(tokens: torch.Tensor, past: Histories) -> torch.Tensor:
    """The codes of each history, right-padded with zeros to the longest."""
    items, bounds = past.packed()
    rows = [tokens[items[bounds[row] : bounds[row + 1]]].flatten() for row in range(len(past))]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def generate(model: Any, codes: ItemCodes, past: Histories, beams: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Items and scores of the k best of each history."""
    tokens = torch.from_numpy(codes.codes + np.array(codes.offsets)) + 1
    allowed: dict[tuple[int, ...], set[int]] = defaultdict(set)
    named = {}
    for item, written in enumerate(tokens.tolist()):
        named[tuple(written)] = item
        for level, token in enumerate(written):
            allowed[tuple(written[:level])].add(token)
    lists = {prefix: sorted(after) for prefix, after in allowed.items()}
    found, scores = [], []
    for begin_row in range(0, len(past), BATCH):
        inputs = padded(tokens, past.take(np.arange(begin_row, min(begin_row + BATCH, len(past)))))
        answer = model.generate(
            input_ids=inputs, attention_mask=(inputs > 0).long(), num_beams=beams, num_return_sequences=k,
            max_new_tokens=codes.levels, min_new_tokens=codes.levels, do_sample=False, length_penalty=0.0,
            prefix_allowed_tokens_fn=lambda _, written: lists[tuple(written[1:].tolist())],
            return_dict_in_generate=True, output_scores=True,
        )  # fmt: skip
        written = answer.sequences[:, 1:].view(len(inputs), k, codes.levels)
        found.append(np.array([[named.get(tuple(one), -1) for one in row] for row in written.tolist()]))
        scores.append(answer.sequences_scores.view(len(inputs), k).numpy())
    return np.concatenate(found), np.concatenate(scores)


if __name__ == "__main__":
    main()
