"""What both sides of the T5 comparisons get: Beauty's catalogue with 4 x 256 codes, its histories, equal weights."""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measuring import arguments
from segue.backbones.encoder_decoder import EncoderDecoder
from segue.core.codes import ItemCodes
from segue.core.run import Run
from segue.core.tables import Split
from segue.encoders.text_vectors import TextVectors
from segue.tokenizers.collisions import NearestFreeCode
from segue.tokenizers.residual_k_means import ResidualKMeans
from segue.workflows.experiment import new
from segue.workflows.runs import split_of

HISTORY, BATCH = 20, 64
BACKBONE = EncoderDecoder(width=128, depth=4, heads=6, size=64, inner=1024, dropout=0.1)
"""TIGER's generator as the LETTER repository has it: 4.6 million parameters beside the codes."""


def given_arguments(what: str) -> argparse.ArgumentParser:
    parser = arguments(what, log=False)
    parser.add_argument("--beauty", required=True, help="the data set's folder")
    parser.add_argument("--task", choices=["decode", "train"], required=True)
    parser.add_argument("--users", type=int, default=512, help="test users that get a list (decode)")
    parser.add_argument("--beams", type=int, default=50)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--batches", type=int, default=12, help="training steps of 256 cases (train)")
    return parser


def workload(given: argparse.Namespace) -> tuple[Split, ItemCodes]:
    """The data and its codes: four levels of residual k-means; a code more on the last level, which no item has."""
    split = split_of(new("popularity", given.beauty))
    tokenizer = ResidualKMeans(encoder=TextVectors(), levels=4, size=256, collisions=NearestFreeCode())
    fitted = tokenizer.fit(split, Run(seed=given.seed))
    return split, ItemCodes(fitted.codes.codes, (256, 256, 256, 257))


def models(given: argparse.Namespace, codes: ItemCodes) -> tuple[Any, Any]:
    """Ours and the T5 of `transformers`, with the same weights."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from t5_weights import twins

    torch.manual_seed(given.seed)
    return twins(codes, BACKBONE, HISTORY)


def asked(split: Split, users: int) -> np.ndarray:
    """Rows of the test users that get a list, drawn once."""
    return np.sort(np.random.default_rng(0).choice(len(split.test), users, replace=False))
