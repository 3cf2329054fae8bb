"""Small checkpoints made on the spot: a tokenizer and a real architecture, trained for minutes on the texts at hand."""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from segue.core.errors import DataError
from segue.core.extras import require
from segue.core.part import Part
from segue.core.recipe import initialising
from segue.core.run import Run
from segue.core.shapes import Float, Int
from segue.core.whole import sweep
from segue.kernels.linear_cross_entropy import linear_cross_entropy

REPORT = "tiny.json"
PACKAGES = ("torch", "transformers", "tokenizers")
"""What the bits of a checkpoint depend on beside its description."""
SPECIAL = {
    "llama": {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"},
    "qwen2": {"pad_token": "<pad>", "eos_token": "<|endoftext|>"},
    "qwen3": {"pad_token": "<pad>", "eos_token": "<|endoftext|>"},
}
"""The tokens that are no words. As in the real families, Llama begins every text with one of them and Qwen does not."""


class TinyCheckpoint(Part):
    """What a small checkpoint is: an ordinary folder that `from_pretrained` loads, with a report in `tiny.json`.

    A byte-level BPE tokenizer and a decoder of one of the families that people use, with grouped keys, rotary positions
    and gated feed-forward layers, its token table tied to its head. It is trained to predict the next token of the
    texts, packed into rows with an end token behind each text. It stands in for a real one where there is no network,
    and what is measured with it says nothing about language models of another size.
    """

    family: Literal["llama", "qwen2", "qwen3"] = "llama"
    """The architecture."""
    vocabulary: int = Field(default=2000, ge=300, le=4000)
    """Tokens."""
    width: PositiveInt = 128
    """Coordinates of a state."""
    depth: PositiveInt = 4
    """Layers."""
    heads: PositiveInt = 4
    """Attention heads; the width is divided among them."""
    key_value_heads: PositiveInt = 2
    """Heads that keys and values have, each shared by some of the others."""
    context: PositiveInt = 1024
    """Tokens that the model can read and write together."""
    steps: PositiveInt = 200
    """Training steps."""
    rows: PositiveInt = 4
    """Rows of a step."""
    length: int = Field(default=512, ge=2)
    """Tokens of a row, at most `context`."""
    rate: PositiveFloat = 3e-3
    """Learning rate at its height; it rises over a twentieth of the steps and falls to zero along a cosine."""

    @model_validator(mode="after")
    def _fits(self) -> TinyCheckpoint:
        if self.width % (2 * self.heads) or self.heads % self.key_value_heads:
            raise ValueError(
                "the width must be an even multiple of the heads, and the heads a multiple of key_value_heads "
                f"(width {self.width}, heads {self.heads}, key_value_heads {self.key_value_heads})"
            )
        if self.length > self.context:
            raise ValueError(f"rows of {self.length} tokens do not fit into a context of {self.context}")
        return self

    @property
    def inner(self) -> int:
        """Width of the feed-forward layers: eight thirds of the width, rounded up to a multiple of 32."""
        return 32 * math.ceil(self.width / 12)


class TinyReport(BaseModel):
    """How the making of a checkpoint went."""

    texts: int
    tokens: int
    """Of all texts, read once, ends included."""
    seen: int
    """Tokens that were trained on, repeats counted."""
    vocabulary: int
    parameters: int
    loss_before: float
    """Nats a token on some of the rows that are learnt, before the first step."""
    loss_after: float
    """The same behind the last."""
    entropy: float
    """Nats a token of who knows only how often each token occurs: what a model must beat to have learnt anything."""
    seconds: float
    digest: str
    """Of the texts."""
    settings: dict[str, Any]
    seed: int
    origin: dict[str, Any]
    """Where the texts are from."""
    versions: dict[str, str]


def make_tiny(
    texts: pl.Series, folder: Path, checkpoint: TinyCheckpoint, run: Run, origin: Mapping[str, Any] = {}
) -> TinyReport:
    """Train a tokenizer and a model on the texts and leave an ordinary checkpoint folder, whole or not at all.

    The same texts, description and seed give the same bits on the same machine. `origin` says in the report where the
    texts are from.

    Raises:
        DataError: the folder exists, there are no texts, or too few of them for so many tokens.
        MissingExtra: transformers or tokenizers is not installed.
    """
    if folder.exists():
        raise DataError(f"{folder} exists already; name a folder that does not.")
    began = time.monotonic()
    texts = texts.drop_nulls().cast(pl.String)
    tokenizer = trained_tokenizer(texts, checkpoint)
    tokens = numbered(texts, tokenizer)
    model = initialised(checkpoint, tokenizer, run.seed).to(run.device)
    rows = packed(tokens, checkpoint, run.numpy_generator("order of texts")).to(run.device)
    sample = rows[: 4 * checkpoint.rows]
    before = _loss_of(model, sample)
    _train(model, rows, checkpoint, run)
    counts = np.bincount(tokens.explode().to_numpy())
    shares = counts[counts > 0] / counts.sum()
    report = TinyReport(
        texts=len(texts),
        tokens=int(counts.sum()),
        seen=rows.numel(),
        vocabulary=len(tokenizer),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        loss_before=before,
        loss_after=_loss_of(model, sample),
        entropy=float(-(shares * np.log(shares)).sum()),
        seconds=time.monotonic() - began,
        digest=digest_of(texts),
        settings=checkpoint.dump(),
        seed=run.seed,
        origin=dict(origin),
        versions={name: version(name) for name in PACKAGES},
    )
    _save(folder, model.cpu(), tokenizer, report)
    return report


def digest_of(texts: pl.Series) -> str:
    """A number that other texts, or the same ones cut otherwise, do not have."""
    digest = hashlib.sha256(texts.str.len_bytes().to_numpy().astype(np.int64).tobytes())
    digest.update("".join(texts.to_list()).encode())
    return digest.hexdigest()


def trained_tokenizer(texts: pl.Series, checkpoint: TinyCheckpoint) -> Any:
    """A byte-level BPE tokenizer with exactly so many tokens: it can write any text, and reads back what it wrote.

    Raises:
        DataError: the texts do not have so many frequent pairs.
    """
    transformers = require("transformers", extra="llm")
    tokenizers = require("tokenizers", extra="llm")
    if not texts.str.len_bytes().sum():
        raise DataError("a tokenizer cannot be trained on no text at all.")
    special = SPECIAL[checkpoint.family]
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE())
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=checkpoint.vocabulary,
        special_tokens=list(special.values()),
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts.to_list(), trainer)
    if bpe.get_vocab_size() < checkpoint.vocabulary:
        raise DataError(
            f"{len(texts)} texts ({texts.str.len_chars().sum():,} characters) are too few for a vocabulary of "
            f"{checkpoint.vocabulary} tokens: they give {bpe.get_vocab_size()}. Ask for at most so many, or bring more "
            "text."
        )
    begin = special.get("bos_token")
    if begin is not None:
        bpe.post_processor = tokenizers.processors.TemplateProcessing(
            single=f"{begin} $A", pair=f"{begin} $A {begin} $B", special_tokens=[(begin, bpe.token_to_id(begin))]
        )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=bpe, model_max_length=checkpoint.context, clean_up_tokenization_spaces=False, **special
    )


def initialised(checkpoint: TinyCheckpoint, tokenizer: Any, seed: int) -> nn.Module:
    """The model of this description with random weights, its head tied to its token table."""
    transformers = require("transformers", extra="llm")
    family = {"llama": "Llama", "qwen2": "Qwen2", "qwen3": "Qwen3"}[checkpoint.family]
    config = getattr(transformers, f"{family}Config")(
        vocab_size=len(tokenizer),
        hidden_size=checkpoint.width,
        intermediate_size=checkpoint.inner,
        num_hidden_layers=checkpoint.depth,
        num_attention_heads=checkpoint.heads,
        num_key_value_heads=checkpoint.key_value_heads,
        head_dim=checkpoint.width // checkpoint.heads,
        max_position_embeddings=checkpoint.context,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with initialising(seed):
        model: nn.Module = getattr(transformers, f"{family}ForCausalLM")(config)
    return model


def numbered(texts: pl.Series, tokenizer: Any) -> pl.Series:
    """The tokens of each text as a list: what the family begins a text with, the words, and the end."""
    words = pl.Series("tokens", tokenizer(texts.to_list(), verbose=False)["input_ids"], dtype=pl.List(pl.Int32))
    end = pl.Series([tokenizer.eos_token_id], dtype=pl.Int32).implode()
    return pl.DataFrame({"tokens": words}).select(pl.concat_list("tokens", pl.lit(end))).to_series()


def packed(tokens: pl.Series, checkpoint: TinyCheckpoint, rng: np.random.Generator) -> Int[Tensor, "rows length"]:
    """All rows of the training, in order: the texts one after another, in another order each time round."""
    wanted = checkpoint.steps * checkpoint.rows * checkpoint.length
    rounds = math.ceil(wanted / int(tokens.list.len().sum()))
    order = np.concatenate([rng.permutation(len(tokens)) for _ in range(rounds)])
    stream = tokens.gather(order).explode()[:wanted].to_numpy().astype(np.int64)
    return torch.from_numpy(stream).view(-1, checkpoint.length)


def _train(model: Any, rows: Int[Tensor, "rows length"], checkpoint: TinyCheckpoint, run: Run) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=checkpoint.rate, betas=(0.9, 0.95), weight_decay=0.01)
    course = LambdaLR(optimizer, lambda step: _share_at(step, checkpoint.steps))
    run.begin("training a small language model", checkpoint.steps)
    model.train()
    for step in range(checkpoint.steps):
        loss = _loss(model, rows[step * checkpoint.rows : (step + 1) * checkpoint.rows])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        course.step()
        run.advance(1, f"loss {loss.item():.3f}")
    model.eval()
    run.end()


def _share_at(step: int, steps: int) -> float:
    """The learning rate of a step as a share of the highest."""
    rising = steps // 20 + 1
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1.0 + math.cos(math.pi * (step - rising) / max(steps - rising, 1)))


def _loss(model: Any, rows: Int[Tensor, "rows length"]) -> Float[Tensor, ""]:
    """Nats a token, of all tokens but the first of each row."""
    states = model.get_decoder()(input_ids=rows[:, :-1], use_cache=False).last_hidden_state.flatten(0, 1)
    targets = rows[:, 1:].flatten()
    return linear_cross_entropy(states, model.get_output_embeddings().weight, targets) / len(targets)


@torch.no_grad()
def _loss_of(model: Any, rows: Int[Tensor, "rows length"]) -> float:
    model.eval()
    return float(_loss(model, rows))


def _save(folder: Path, model: Any, tokenizer: Any, report: TinyReport) -> None:
    """Written under another name and renamed."""
    bars = require("transformers", extra="llm").utils.logging
    sweep(folder.parent, folder.name)
    draft = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shown = bars.is_progress_bar_enabled()
    try:
        draft.mkdir(parents=True)
        bars.disable_progress_bar()
        model.save_pretrained(draft)
        tokenizer.save_pretrained(draft)
        (draft / REPORT).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
        draft.rename(folder)
    finally:
        if shown:
            bars.enable_progress_bar()
        shutil.rmtree(draft, ignore_errors=True)
