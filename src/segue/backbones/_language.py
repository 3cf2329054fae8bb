"""A causal language model of transformers as a trunk: packed, read once, continued by many prefixes."""

from __future__ import annotations

import copy
import itertools
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, cast

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from segue.core.batches import Rows
from segue.core.errors import SettingsError
from segue.core.extras import require
from segue.core.shapes import Float, Int
from segue.language.checkpoint import Bits, load
from segue.layers.adapters import Lora
from segue.layers.decoder_stack import ATTENTION, Packed, Padded, Stack, attention, with_ahead
from segue.layers.dropout import Dropout
from segue.layers.language import LanguageTrunk
from segue.layers.writing import Memory, Written
from segue.training.precision import Precision, has_bfloat16


def living(
    checkpoint: str,
    *,
    lora: Lora | None,
    precision: Precision,
    bits: Bits | None,
    gradient_checkpointing: bool,
    length: int,
) -> CausalLm:
    """The trunk of a checkpoint; see `LanguageBackbone.load` for the errors.

    Without adapters all weights are learnt, in float32, and a copy of them stays as it was loaded.
    """
    if bits is not None and lora is None:
        raise SettingsError(f"backbone.bits={bits} rounds the weights, so they cannot be learnt: keep backbone.lora.")
    low = precision == "bfloat16" or (
        precision == "auto" and torch.cuda.is_available() and has_bfloat16(torch.device("cuda"))
    )
    dtype = torch.bfloat16 if low and lora is not None else torch.float32
    model, tokenizer = load(checkpoint, dtype, bits)
    trunk = CausalLm(model, tokenizer, checkpoint=checkpoint, length=length)
    trunk.learn(lora)
    if gradient_checkpointing:
        trunk.recompute()
    return trunk


class CausalLm(LanguageTrunk):
    """A loaded language model; see `LanguageTrunk`.

    Which of the two stacks runs it is found out on a few tokens when it is made: ours must give what transformers gives
    row by row. Dropout of attention weights is left out, as Llama and its kin have none; other dropout stays as the
    checkpoint's config has it and draws from the run's generator.

    Raises:
        SettingsError: neither stack can run this architecture.
    """

    def __init__(self, model: Any, tokenizer: Any, *, checkpoint: str, length: int) -> None:
        super().__init__()
        self.lm = model
        self._tokenizer, self._checkpoint = tokenizer, checkpoint
        config = model.config.get_text_config(decoder=True)
        self.width = int(model.get_output_embeddings().weight.shape[1])
        self.context = min(length, getattr(config, "max_position_embeddings", None) or length)
        self.end = int(tokenizer.eos_token_id)
        special = set(tokenizer.all_special_ids)
        self.begin = tuple(itertools.takewhile(special.__contains__, tokenizer("a")["input_ids"]))
        self._before: tuple[Any, ...] = ()
        self._as_loaded = False
        _own_dropout(model)
        windows = [getattr(config, name, None) or self.context for name in ("sliding_window", "attention_chunk_size")]
        self._stack = self._fitting(min(windows) >= self.context)

    def learn(self, lora: Lora | None) -> None:
        """Put adapters in, and freeze the rest; without any, keep a copy of all weights as they are now.

        Raises:
            SettingsError: there is no layer of a name that `targets` has; says which there are.
        """
        if lora is None:
            self._before = (copy.deepcopy(self.lm).requires_grad_(False).eval(),)
            self.lm.requires_grad_(True)
            return
        peft = require("peft", extra="llm")
        conv = require("transformers", extra="llm").pytorch_utils.Conv1D
        head = self.lm.get_output_embeddings()
        names = {
            name.rsplit(".", 1)[-1]: module
            for name, module in self.lm.named_modules()
            if isinstance(module, nn.Linear | conv) and module is not head
        }
        missing = [name for name in lora.targets if name not in names]
        if missing:
            raise SettingsError(
                f"backbone.lora.targets: the checkpoint '{self._checkpoint}' has no layer named '{missing[0]}'; it has "
                f"{', '.join(sorted(names))}. Choose among these: "
                f"--set backbone.lora.targets='[{', '.join(sorted(names)[:2])}]'."
            )
        settings = peft.LoraConfig(
            r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=list(lora.targets),
            bias="none", fan_in_fan_out=any(isinstance(names[name], conv) for name in lora.targets),
        )  # fmt: skip
        with warnings.catch_warnings():  # peft 0.21 asks transformers 5.23 for a name that is to go
            warnings.filterwarnings("ignore", ".*is_gradient_checkpointing.*", FutureWarning)
            self.lm = peft.get_peft_model(self.lm, settings)
        _own_dropout(self.lm)

    def recompute(self) -> None:
        """From now on keep only what enters each layer in training, and compute the rest again in the backward pass."""
        dropouts = [module for module in self.lm.modules() if isinstance(module, Dropout)]
        func = partial(checkpoint, use_reentrant=False, context_fn=partial(_same_draws, dropouts))
        self._plain._set_gradient_checkpointing(enable=True, gradient_checkpointing_func=func)

    def numbers(self, texts: pl.Series) -> tuple[Int[np.ndarray, " tokens"], Int[np.ndarray, " bounds"]]:
        """The tokens of each text, and the bounds of the texts; see `LanguageTrunk`."""
        if not len(texts):
            return np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
        found = self._tokenizer(
            texts.to_list(), add_special_tokens=False, return_attention_mask=False, return_token_type_ids=False,
            verbose=False,
        )["input_ids"]  # fmt: skip
        rows = pl.Series(found, dtype=pl.List(pl.Int64))
        bounds = np.concatenate([[0], np.cumsum(rows.list.len().to_numpy(), dtype=np.int64)])
        return rows.explode().drop_nulls().to_numpy().astype(np.int64), bounds

    def words(self, tokens: Int[np.ndarray, " tokens"], bounds: Int[np.ndarray, " bounds"]) -> pl.Series:
        """The text of each row of tokens; see `LanguageTrunk`."""
        if len(bounds) < 2:
            return pl.Series("texts", [], dtype=pl.String)
        rows = np.split(tokens, bounds[1:-1])
        texts = self._tokenizer.batch_decode(
            [row.tolist() for row in rows], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return pl.Series("texts", texts, dtype=pl.String)

    def embedded(self, tokens: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape width"]:
        """The vectors that the stack reads."""
        vectors: Tensor = self._plain.get_input_embeddings()(tokens)
        return vectors

    def vocabulary(self) -> Float[Tensor, "words width"]:
        """The vectors that states are compared with."""
        weight: Tensor = self._plain.get_output_embeddings().weight
        return weight

    @contextmanager
    def _frozen(self) -> Iterator[None]:
        training, before = self.training, self._as_loaded
        self.eval()
        self._as_loaded = True
        adapters = nullcontext() if self._before or before else self._without_adapters()
        try:
            with torch.no_grad(), adapters:
                yield
        finally:
            self._as_loaded = before
            self.train(training)

    def frozen(self) -> AbstractContextManager[None]:
        """Inside, the trunk is the one that was loaded; see `LanguageTrunk`."""
        return self._frozen()

    def states(
        self, vectors: Float[Tensor, "tokens width"], rows: Rows, ahead: int = 0
    ) -> Float[Tensor, "tokens width"]:
        """The states of all tokens in one pass; see `LanguageTrunk`."""
        return self._stack.read(self._decoder, self._entering(vectors), rows, ahead)

    def read(self, vectors: Float[Tensor, "tokens width"], rows: Rows, ahead: int = 0) -> Memory:
        """Read the packed contexts once; see `LanguageTrunk`."""
        kept: dict[int, tuple[Tensor, Tensor]] = {}
        states = self._stack.read(self._decoder, self._entering(vectors), rows, ahead, kept)
        layers = [kept[layer] for layer in range(len(kept))]
        if ahead:
            rows, places = with_ahead(rows, ahead)
            states, layers = states[places], [(keys[places], values[places]) for keys, values in layers]
        return Memory(rows, layers, states[rows.last], states)

    def write(
        self, memory: Memory, vectors: Float[Tensor, "users prefixes steps width"], written: Written | None
    ) -> tuple[Float[Tensor, "users prefixes states width"], Written]:
        """Continue each prefix by some tokens; see `Writing`."""
        users, prefixes, steps, width = vectors.shape
        assert memory.first is not None
        first = memory.first[:, None, None, :].expand(users, prefixes, 1, width)
        if steps == 0:
            return first, Written([[] for _ in memory.layers], 0)
        states, layers = self._stack.write(self._decoder, memory, self._entering(vectors), written)
        past = 0 if written is None else written.steps
        return states if written is not None else torch.cat([first, states], dim=2), Written(layers, past + steps)

    @property
    def _plain(self) -> Any:
        """The transformers model, which has the adapters inside it where there are any."""
        if self._as_loaded and self._before:
            device = next(self.lm.parameters()).device
            if next(self._before[0].parameters()).device != device:
                self._before = (self._before[0].to(device),)
            return self._before[0]
        return self.lm.get_base_model() if hasattr(self.lm, "peft_config") else self.lm

    @property
    def _decoder(self) -> Any:
        """The model without its head."""
        return self._plain.get_decoder()

    def _without_adapters(self) -> AbstractContextManager[None]:
        return cast(AbstractContextManager[None], self.lm.disable_adapter())

    def _entering(self, vectors: Tensor) -> Tensor:
        return vectors.to(self.vocabulary().dtype if self.vocabulary().is_floating_point() else vectors.dtype)

    def _fitting(self, packable: bool) -> Stack:
        """The packed stack, if it gives what transformers gives; else the padded one, if that does."""
        was = self.training
        self.eval()
        tokens = torch.arange(2, 11, device=self.vocabulary().device) % len(self.vocabulary())
        with torch.no_grad():
            wanted = self._alone(tokens)
            reasons = []
            stacks: list[Stack] = [Packed(), Padded()] if packable else [Padded()]
            for stack in stacks:
                reason = self._differs(stack, tokens, wanted)
                if reason is None:
                    self.train(was)
                    return stack
                reasons.append(reason)
        raise SettingsError(
            f"the checkpoint '{self._checkpoint}' ({self.lm.config.model_type}) is of an architecture that Segue "
            f"cannot run: {reasons[-1]}. Take one of the Llama, Qwen, Mistral, Gemma (1) or GPT-2 families, or tell us."
        )

    def _alone(self, tokens: Tensor) -> list[tuple[Tensor, Tensor]]:
        """States and logits of two rows, two and three tokens behind the first four, as the model itself finds them."""
        found = []
        for row in (tokens[4:6], tokens[6:9]):
            ids = torch.cat([tokens[:4], row])[None]
            out = self._decoder(input_ids=ids, use_cache=False).last_hidden_state[0]
            found.append((out, self._plain(input_ids=ids, use_cache=False).logits[0]))
        return found

    def _differs(self, stack: Stack, tokens: Tensor, wanted: list[tuple[Tensor, Tensor]]) -> str | None:
        """What of this stack is not what `_alone` found, or None."""
        previous = self.lm.config._attn_implementation
        if isinstance(stack, Packed):
            require("transformers", extra="llm").AttentionInterface.register(ATTENTION, attention)
            self.lm.set_attn_implementation(ATTENTION)
        self._stack = stack
        try:
            rows = Rows(torch.tensor([0, 2, 5], device=tokens.device))
            vectors = self.embedded(tokens)
            states = self.states(vectors, rows, ahead=4)
            memory = self.read(vectors[:-1], Rows(torch.tensor([0, 2, 4], device=tokens.device)), ahead=4)
            newest, _ = self.write(memory, vectors[-1].expand(2, 1, 1, -1), None)
        except (NotImplementedError, TypeError, AttributeError, ValueError, RuntimeError, IndexError) as error:
            self.lm.set_attn_implementation(previous)
            return f"it cannot be given rows to read and go on from ({type(error).__name__}: {error})"
        (short, short_logits), (long, _) = wanted
        tolerance = 1e-4 if long.dtype == torch.float32 else 0.05
        pairs = {
            "its states are others when rows are read together": (states, torch.cat([short, long[4:]])),
            "its states are others when it goes on writing": (newest[1, 0], long[-2:]),
            "its head is more than a product with the vocabulary": (
                short.float() @ self.vocabulary().float().T, short_logits.float()
            ),
        }  # fmt: skip
        for reason, (found, known) in pairs.items():
            if found.shape != known.shape or not (found - known).norm() <= tolerance * known.norm():
                self.lm.set_attn_implementation(previous)
                return reason
        return None


def _own_dropout(model: nn.Module) -> None:
    """Dropout that draws from the run's generator, so that a run that goes on draws what it would have drawn."""
    for module in list(model.modules()):
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0  # type: ignore[assignment]
        for name, child in list(module.named_children()):
            if type(child) is nn.Dropout:
                ours = Dropout(child.p)
                ours.p = 0.0  # type: ignore[assignment]  # where GPT-2 looks for the share of attention weights
                setattr(module, name, ours.train(child.training))


def _same_draws(dropouts: list[Dropout]) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """What surrounds a layer, and its repetition in the backward pass, which must draw the same numbers again."""
    rng = dropouts[0].rng if dropouts else None  # the training loop gives all of them the same one
    return nullcontext(), _rewound(rng, None if rng is None else rng.get_state())


@contextmanager
def _rewound(rng: torch.Generator | None, state: Tensor | None) -> Iterator[None]:
    if rng is None or state is None:
        yield
        return
    now = rng.get_state()
    rng.set_state(state)
    try:
        yield
    finally:
        rng.set_state(now)
