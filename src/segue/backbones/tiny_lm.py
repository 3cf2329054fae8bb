"""A small language model that is made on the spot from the data's own titles: nothing is downloaded."""

from __future__ import annotations

import atexit
import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from segue.backbones._language import living
from segue.core.errors import DataError
from segue.core.extras import require
from segue.core.run import Run
from segue.core.tables import Split
from segue.core.text_forms import LanguageBackbone
from segue.language.corpus import Corpus
from segue.language.tiny import PACKAGES, TinyCheckpoint, digest_of, make_tiny
from segue.layers.adapters import Lora
from segue.training.precision import Precision

logger = logging.getLogger(__name__)


class TinyLm(LanguageBackbone):
    """A checkpoint of a real architecture, trained for minutes on the titles at hand, then loaded like any other.

    It is made once for each data set and description, and kept in the cache; a run keeps all of its files. It knows
    nothing that the data do not say, so what a language model brings along is not what is measured with it.
    """

    tiny: TinyCheckpoint = TinyCheckpoint()
    """Its architecture and its training."""
    corpus: Corpus = Corpus()
    """What it reads."""
    seed: NonNegativeInt = 0
    """Of the checkpoint and not of the run: all seeds of a system begin with the same, as with downloaded weights."""
    lora: Lora | None = Lora()
    """The adapters that are learnt on top; none learns all weights, and keeps a copy of those before."""
    precision: Precision = "auto"
    """Of the frozen weights: bfloat16 where a GPU has it, else float32. What is learnt is float32."""
    gradient_checkpointing: bool = False
    """Compute each layer again in the backward pass, for a third more time and much less memory."""
    length: PositiveInt = 700
    """Tokens of a prompt and its response at most."""

    def prepare(self, split: Split, run: Run) -> str:
        """The folder in the cache of the run (without one, a folder that is gone when the process ends).

        Raises:
            DataError: the catalogue has no titles, or too few for so many tokens.
            MissingExtra: transformers or tokenizers is not installed.
        """
        run = replace(run, seed=self.seed)
        texts = self.corpus.texts(split, run)
        folder = _shelf(run) / f"tiny-{self._key(texts)}"
        if folder.is_dir():
            logger.info("the small language model is found in %s", folder)
            return str(folder)
        origin = {"data": split.dataset.name, "split": split.rule, "corpus": self.corpus.dump()}
        try:
            make_tiny(texts, folder, self.tiny, run, origin)
        except OSError:
            if not folder.is_dir():  # else another process was quicker to make the same
                raise
        return str(folder)

    def load(self, checkpoint: str) -> nn.Module:
        """The living trunk; see `LanguageBackbone`."""
        return living(
            checkpoint,
            lora=self.lora,
            precision=self.precision,
            bits=None,
            gradient_checkpointing=self.gradient_checkpointing,
            length=self.length,
        )

    def kept(self, checkpoint: str) -> Mapping[str, Tensor]:
        """The bytes of each file of the folder: the checkpoint is small, and the run does not depend on the cache."""
        return {path.name: _read(path) for path in sorted(Path(checkpoint).iterdir()) if path.is_file()}

    def found(self, kept: Mapping[str, Tensor]) -> str:
        """A folder with these files, which is gone when the process ends.

        Raises:
            DataError: the run kept no such files.
        """
        if not kept:
            raise DataError("this run holds no language model: its weights are not those of a tiny_lm. Fit it again.")
        folder = _passing()
        for name, content in kept.items():
            (folder / name).write_bytes(content.numpy().tobytes())
        return str(folder)

    def _key(self, texts: pl.Series) -> str:
        """What the bits of the checkpoint depend on, in 24 characters."""
        for package in PACKAGES:
            require(package, extra="llm")
        versions = [version(package) for package in PACKAGES]
        parts = [FORM, digest_of(texts), self.tiny.dump(), self.seed, versions]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


FORM = 1
"""Counted up when the same description comes to mean another checkpoint."""


def _shelf(run: Run) -> Path:
    if run.cache is not None:
        return run.cache / "checkpoints"
    return _passing() if run.folder is None else run.folder / "language"


def _passing() -> Path:
    """A folder that is gone when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="segue-language-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _read(path: Path) -> Tensor:
    return torch.from_numpy(np.frombuffer(path.read_bytes(), dtype=np.uint8).copy())
