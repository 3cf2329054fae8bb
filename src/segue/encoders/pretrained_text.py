"""Vectors of item texts from a pretrained language model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from pydantic import PositiveInt
from safetensors import SafetensorError
from torch import Tensor
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence

from segue.core.errors import DataError
from segue.core.extras import require
from segue.core.run import Run
from segue.core.shapes import Float
from segue.core.tables import Catalog, Split
from segue.core.tokenizing import FittedEncoder, ItemEncoder
from segue.encoders._cache import kept
from segue.encoders._known import found
from segue.encoders._texts import text_columns, text_numbers

logger = logging.getLogger(__name__)


class PretrainedText(ItemEncoder):
    """The texts of an item, joined by full stops, read by any encoder that `transformers` can load.

    Nothing is trained. The vectors of the fitted catalog are kept among the weights, so a restored encoder needs the
    checkpoint for new texts only. Checkpoints of sentence-transformers are such folders as well; most of them were
    trained with mean pooling, which is the default (see `1_Pooling/config.json` in theirs). An item without text gets
    the mean direction of the others.
    """

    checkpoint: str
    """A local folder, or a name on the Hugging Face hub."""
    columns: tuple[str, ...] = ("title", "brand", "categories", "description")
    """The columns read, in this order; those the catalog lacks are left out."""
    pooling: Literal["mean", "cls", "last"] = "mean"
    """Which hidden states make the vector: the mean over the text, its first token or its last."""
    normalized: bool = True
    """Whether vectors have length 1."""
    length: PositiveInt = 128
    """Tokens of a text that are read; the rest is cut off."""
    tokens: PositiveInt = 4096
    """Tokens given to the model at once, padding included."""

    def fit(self, split: Split, run: Run) -> FittedEncoder:
        """Read the catalog's texts, or find their vectors in the cache.

        Raises:
            DataError: the catalog has none of the columns, or the checkpoint cannot be loaded.
            MissingExtra: transformers is not installed.
        """
        texts = self._texts(split.catalog)
        packages = ["torch", "transformers", "tokenizers"]
        known = kept(run, self, [texts], lambda: self._known(texts, run), packages=packages, further=self._files())
        return FittedPretrainedText(self, known["texts"], known["vectors"], run.device)

    def restore(self, weights: Mapping[str, Tensor]) -> FittedEncoder:
        """The encoder that `weights` were taken from."""
        return FittedPretrainedText(self, weights["texts"], weights["vectors"], torch.device("cpu"))

    def _texts(self, catalog: Catalog) -> pl.Series:
        columns = text_columns(catalog, self.columns)
        stripped = [column.str.strip_chars() for column in columns.values()]
        parts = [pl.when(column.str.len_bytes() > 0).then(column) for column in stripped]
        return pl.select(pl.concat_str(parts, separator=". ", ignore_nulls=True)).to_series()

    def _known(self, texts: pl.Series, run: Run) -> dict[str, Tensor]:
        """The different texts as numbers in order, and their vectors."""
        numbers, firsts = np.unique(text_numbers(texts), return_index=True)
        some = texts.gather(firsts)
        worded = (some.str.len_bytes() > 0).to_numpy()
        read = torch.from_numpy(self._read(some.filter(pl.Series(worded)), run))
        return {"texts": torch.from_numpy(numbers[worded]), "vectors": read}

    def _files(self) -> list[list[Any]]:
        """What tells a changed local checkpoint from the one before: its files, their sizes and times of change."""
        folder = Path(self.checkpoint)
        files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
        return [[str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns] for path in files]

    def _load(self) -> tuple[Any, Any]:
        transformers = require("transformers", extra="text")
        try:
            # The smallest file first: where there is no network, the hub's client tries each file for most of a minute.
            config = transformers.AutoConfig.from_pretrained(self.checkpoint)
            tokenizer = transformers.AutoTokenizer.from_pretrained(self.checkpoint)
            model = transformers.AutoModel.from_pretrained(self.checkpoint, config=config)
        except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
            reason = str(error).strip().split("\n")[0]
            raise DataError(
                f"the checkpoint '{self.checkpoint}' could not be loaded ({reason}). Expected a folder with "
                "config.json, weights and a tokenizer, or a name on the Hugging Face hub that can be reached from "
                "here. Or take an encoder that downloads nothing: --set tokenizer.encoder=text_vectors in a fit, "
                "--set encoder=text_vectors where codes are made."
            ) from error
        return tokenizer, model.get_encoder() if model.config.is_encoder_decoder else model

    def _read(self, texts: pl.Series, run: Run) -> Float[np.ndarray, "texts width"]:
        tokenizer, model = self._load()
        model = model.to(run.device).eval()
        vectors = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
        if not len(texts):
            return vectors
        longest = min(self.length, tokenizer.model_max_length)
        read = tokenizer(texts.to_list(), truncation=True, max_length=longest)["input_ids"]
        lengths = np.array([len(tokens) for tokens in read])
        filler = tokenizer.pad_token_id or 0  # masked, so any token will do where a decoder has none for it
        run.begin(f"reading {len(texts):,} texts with {Path(self.checkpoint).name}", len(texts))
        for some in _batches(lengths, self.tokens):
            batch = pad_sequence([torch.tensor(read[place]) for place in some], batch_first=True, padding_value=filler)
            mask = (torch.arange(batch.shape[1]) < torch.from_numpy(lengths[some])[:, None]).long().to(run.device)
            batch = batch.long().to(run.device)
            with torch.inference_mode():
                states = model(batch, attention_mask=mask).last_hidden_state.float()  # some tokens width
                pooled = self._pool(states, mask)
            vectors[some] = pooled.cpu().numpy()
            run.advance(len(some))
        run.end()
        return vectors

    def _pool(self, states: Tensor, mask: Tensor) -> Tensor:
        if self.pooling == "cls":
            pooled = states[:, 0]
        elif self.pooling == "last":
            pooled = states[torch.arange(len(states), device=states.device), mask.sum(1) - 1]
        else:
            pooled = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp_min(1)
        return normalize(pooled, dim=-1) if self.normalized else pooled


class FittedPretrainedText(FittedEncoder):
    """Knows the vectors of the texts it has read, and reads others when asked."""

    def __init__(self, part: PretrainedText, texts: Tensor, vectors: Tensor, device: torch.device) -> None:
        self.part: PretrainedText = part
        self.texts, self.vectors, self.device = texts, vectors, device

    def encode(self, catalog: Catalog) -> Float[np.ndarray, "items width"]:
        """A vector for each item; texts seen before are not read again.

        Raises:
            DataError: the catalog has none of the columns, or the checkpoint, needed for new texts, cannot be loaded.
        """
        texts = self.part._texts(catalog)
        rows = found(self.texts.numpy(), text_numbers(texts))
        empty = (texts.str.len_bytes() == 0).to_numpy()
        vectors = (
            self.vectors.numpy()[rows] if len(self.texts) else np.zeros((len(texts), self.vectors.shape[1]), np.float32)
        )
        new = np.flatnonzero((rows < 0) & ~empty)
        if len(new):
            vectors[new] = self.part._read(texts.gather(new), Run(device=self.device))
        if empty.any():
            logger.warning(
                "%d of %d items have no text (first: %r); they get the mean vector",
                empty.sum(), len(texts), catalog.ids[int(empty.argmax())],
            )  # fmt: skip
            mean = self.vectors.sum(0)
            vectors[empty] = (
                normalize(mean, dim=0) if self.part.normalized else mean / max(len(self.texts), 1)
            ).numpy()
        return vectors

    def weights(self) -> Mapping[str, Tensor]:
        """The texts read, as numbers, and their vectors."""
        return {"texts": self.texts, "vectors": self.vectors}


def _batches(lengths: np.ndarray, tokens: int) -> list[np.ndarray]:
    """Places of the texts by falling length: little padding, and what does not fit into memory fails at once."""
    order, batches, begin = np.argsort(-lengths, kind="stable"), [], 0
    while begin < len(order):
        batches.append(order[begin : begin + max(1, tokens // max(1, int(lengths[order[begin]])))])
        begin += len(batches[-1])
    return batches
