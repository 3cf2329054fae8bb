"""One of several processes that train as one; the leader writes what it measured."""

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from segue.backbones.hstu import Hstu
from segue.core.run import Run
from training.small import Watching, system, world

CASES = {
    "many users": ({"backbone.dropout": 0.0}, 33),
    "in pieces": ({"backbone.dropout": 0.0, "procedure.loop.accumulation": 3}, 33),
    "fewer users than processes": ({"backbone.dropout": 0.0, "batches.users": 1}, 3),
    "a parameter that is not used": ({"backbone": Hstu(width=8, dropout=0.0)}, 33),
}
"""Settings and number of users. Without timestamps HSTU's time bias gets no gradient."""


def losses(case: str) -> list[float]:
    """The losses of each epoch."""
    changes, users = CASES[case]
    split, watching = world(users), Watching()
    object.__setattr__(split.train, "timestamps", None)
    object.__setattr__(split.validation.histories, "timestamps", None)
    system(changes).fit(split, Run(seed=3, watches=(watching,)))
    return watching.losses


if __name__ == "__main__":
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    found = {case: losses(case) for case in CASES}
    if dist.get_rank() == 0:
        Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")
    dist.destroy_process_group()
