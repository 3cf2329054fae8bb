"""One of several processes that fit a system of codes as one; each would draw other codes, and writes what it got."""

import sys
from pathlib import Path

import numpy as np
import torch.distributed as dist

from segue.core.run import Run
from segue.core.seeding import numpy_generator
from segue.core.tables import Split
from segue.core.tokenizing import FittedTokenizer
from segue.recipes.tiger import VARIANTS
from segue.testing import ring
from segue.tokenizers.random_codes import RandomCodes


class CodesOfTheProcess(RandomCodes):
    """Random codes that are others in each process."""

    def fit(self, split: Split, run: Run) -> FittedTokenizer:
        """Draw the tuples."""
        own = Run(seed=int(numpy_generator(dist.get_rank(), "rank").integers(1 << 30)))
        return super().fit(split, own)


if __name__ == "__main__":
    dist.init_process_group("gloo")
    folder = Path(sys.argv[1])
    recipe = VARIANTS["small"].changed({"tokenizer": CodesOfTheProcess(size=8)})
    fitted = recipe._tokenizer(ring(), Run(folder=folder))
    np.save(folder / f"codes-{dist.get_rank()}.npy", fitted.codes.codes)
    dist.destroy_process_group()
