"""GFlowGR's step beside the supervised one: the same batches, the same generator, turn about in one process.

The value is how many times longer a step with N trajectories takes: choosing them, asking the collaborative model,
writing them after the shared context, flow loss, gradients and optimiser, all included.
"""

import copy
import statistics
import time

import numpy as np
import torch

from benchmarks.measuring import arguments, begin, report
from segue.core.recipe import TokenRecipe
from segue.core.run import Run
from segue.procedures.rollout_finetune import RolloutFinetune, _Rollouts
from segue.training.loop import Moment
from segue.training.optim import AdamW
from segue.training.precision import autocast
from segue.workflows.belonging import Beginning, equipped
from segue.workflows.experiment import new
from segue.workflows.runs import split_of

CPU = torch.device("cpu")
T5 = {
    "batches": {"kind": "every_prefix", "history": 20, "users": 256},
    "backbone": {"kind": "encoder_decoder", "width": 128, "depth": 4, "heads": 6, "size": 64, "inner": 1024},
    "model": {"kind": "token_generator", "scaled": True, "spread": 1.0, "ended": True},
}
"""TIGER's generator as the LETTER repository has it; every prefix of a history is a case."""


def main() -> None:
    parser = arguments(__doc__ or "", log=False)
    parser.add_argument("--beauty", required=True, help="the data set's folder")
    parser.add_argument("--trunk", choices=["decoder_only", "t5"], default="decoder_only")
    parser.add_argument("--system", default="gflowgr_tuned")
    parser.add_argument("--count", type=int, default=3, help="trajectories of each history, the positive among them")
    parser.add_argument("--batches", type=int, default=12)
    given = begin(parser)
    settings = {**(T5 if given.trunk == "t5" else {}), "procedure.count": given.count}
    experiment = new(given.system, given.beauty, settings)
    recipe = experiment.recipe
    assert isinstance(recipe, TokenRecipe)
    procedure, objective = recipe.procedure, recipe.objective
    assert isinstance(procedure, RolloutFinetune)
    # What the collaborative model has learnt changes nothing about the time it takes to ask it.
    judge = procedure.collaborative
    if judge is not None:
        procedure = procedure.changed({"collaborative": judge.changed({"procedure.loop.epochs": 1}).dump()})
    split = split_of(experiment)
    run = equipped(Run(seed=given.seed), Beginning.of(split))
    model = recipe._build(recipe.tokenizer.fit(split, run), given.seed)
    plain = copy.deepcopy(model)
    rollouts = _Rollouts(procedure, model, objective, split, run)
    beside = AdamW(quicker={"flow": 10.0}).build(rollouts.tuned)
    alone = AdamW().build(plain)
    windows, chunks = recipe.batches.epoch(split.train, np.random.default_rng(0))
    rng = torch.Generator().manual_seed(given.seed)
    supervised, flowing = [], []
    for rows in chunks[: given.batches]:
        start = time.perf_counter()
        batch = recipe.batches.batch(windows, rows)
        with autocast(CPU, procedure.loop.precision):
            loss = objective.supervised(plain, batch, rng)
        alone.zero_grad()
        torch.autograd.backward(loss.mean)
        alone.step()
        supervised.append(time.perf_counter() - start)
        start = time.perf_counter()
        batch = recipe.batches.batch(windows, rows)
        with autocast(CPU, procedure.loop.precision):
            batch = rollouts.complete(batch, windows.take(rows[batch.order.numpy()]), Moment(0, 1, 4), rng)
            loss = objective(rollouts.tuned, batch, rng)
        beside.zero_grad()
        torch.autograd.backward(loss.mean)
        beside.step()
        flowing.append(time.perf_counter() - start)
    ratios = [one / other for one, other in zip(flowing[2:], supervised[2:], strict=True)]
    report(
        given, f"segue_{given.system}_step", f"{given.trunk}, N = {given.count}", round(statistics.median(ratios), 2),
        "times the supervised step", ("segue", "torch"), ratios=[round(ratio, 2) for ratio in ratios],
        supervised_seconds=round(statistics.median(supervised[2:]), 3),
        flow_seconds=round(statistics.median(flowing[2:]), 3), users=recipe.batches.users,
    )  # fmt: skip


if __name__ == "__main__":
    main()
