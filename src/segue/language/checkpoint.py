"""Checkpoints of causal language models: loaded as transformers saved them, and known again by their bytes."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor

from segue.core.errors import DataError, SettingsError
from segue.core.extras import require

Bits = Literal[4, 8]
WAYS_OUT = (
    "Expected a folder with config.json, weights and a tokenizer, or a name on the Hugging Face hub that can be "
    "reached from here: --set backbone.checkpoint=FOLDER. A small model made on the spot from the titles needs "
    "neither: --set backbone=tiny_lm."
)


class Loaded(NamedTuple):
    """A language model as it was saved."""

    model: Any
    """The `PreTrainedModel`, with its head, on the CPU unless it is quantised."""
    tokenizer: Any
    """The fast tokenizer."""


def load(checkpoint: str, dtype: torch.dtype = torch.float32, bits: Bits | None = None) -> Loaded:
    """The model and the tokenizer of a folder, or of a name on the hub.

    Raises:
        DataError: it is missing, cannot be reached, gated, damaged, or no causal language model; says what to do.
        SettingsError: `bits` without a GPU or without bitsandbytes.
        MissingExtra: transformers is not installed.
    """
    transformers = require("transformers", extra="llm")
    further = _quantised(bits, dtype)
    where = located(checkpoint)
    # The smallest file first: where there is no network, the hub's client tries each file for most of a minute.
    config = _attempt(checkpoint, transformers.AutoConfig, where)
    if config.is_encoder_decoder or type(config) not in transformers.AutoModelForCausalLM._model_mapping:
        raise DataError(
            f"the checkpoint '{checkpoint}' is a '{config.model_type}', which is no causal language model: it does not "
            f"write one word after another. {WAYS_OUT}"
        )
    tokenizer = _attempt(checkpoint, transformers.AutoTokenizer, where)
    if not tokenizer.is_fast:
        raise DataError(
            f"the checkpoint '{checkpoint}' has no fast tokenizer (tokenizer.json). Convert it: load it by "
            "transformers.AutoTokenizer and save it again by `save_pretrained`, with the package 'tokenizers' there."
        )
    if tokenizer.eos_token_id is None:
        raise DataError(
            f"the tokenizer of the checkpoint '{checkpoint}' has no token that ends a text (eos_token), so a title "
            "would never end. Set `tokenizer.eos_token` and save it, or take another checkpoint."
        )
    with _quiet(transformers.utils.logging):
        model, notes = _attempt(
            checkpoint, transformers.AutoModelForCausalLM, where,
            config=config, dtype=dtype, output_loading_info=True, **further,
        )  # fmt: skip
    missing = sorted(_noted(notes, "missing_keys"))
    if missing:
        raise DataError(
            f"the weights of the checkpoint '{checkpoint}' are damaged: {len(missing)} tensors that its config.json "
            f"promises are not there (first: '{missing[0]}'). Download or save it again."
        )
    return Loaded(model.eval(), tokenizer)


def located(checkpoint: str) -> str:
    """The folder, absolute, or the name on the hub as it is.

    Raises:
        SettingsError: nothing was given.
        DataError: it is spelled like a folder that does not exist, or the folder holds no checkpoint.
    """
    if not checkpoint.strip():
        raise SettingsError(f"backbone.checkpoint is empty. {WAYS_OUT}")
    folder = Path(checkpoint).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            names = sorted(path.name for path in folder.iterdir())
            adapter = "adapter_config.json" in names
            reason = (
                "it holds an adapter alone; merge it into its base model first (peft's `merge_and_unload`) and save "
                "both together"
                if adapter
                else f"it holds {', '.join(names[:5]) or 'nothing'}"
            )
            raise DataError(f"the folder '{checkpoint}' has no config.json: {reason}. {WAYS_OUT}")
        return str(folder.resolve())
    if checkpoint[0] in "./~" or checkpoint.count("/") > 1 or folder.exists():
        raise DataError(f"the checkpoint '{checkpoint}' is not a folder.{_near(folder)} {WAYS_OUT}")
    return checkpoint


def reached(checkpoint: str) -> str:
    """`located`, with a look at the config, so that what cannot be loaded is known before anything else is done.

    Raises:
        SettingsError, DataError: as `load`.
    """
    where = located(checkpoint)
    _attempt(checkpoint, require("transformers", extra="llm").AutoConfig, where)
    return where


def kept(checkpoint: str) -> dict[str, Tensor]:
    """Where a checkpoint is and the hash of its bytes, as tensors: what a run keeps of weights that are not its own."""
    where = located(checkpoint)
    return {"path": _bytes(where.encode()), "hash": _bytes(fingerprint(where))}


def found(kept: Mapping[str, Tensor]) -> str:
    """The checkpoint that `kept` describes.

    Raises:
        DataError: it is gone, or its bytes are others.
    """
    where = kept["path"].numpy().tobytes().decode()
    try:
        now = fingerprint(where)
    except DataError as error:
        raise DataError(
            f"this run was fitted with the language model '{where}', which is not there any more; the run holds only "
            f"what was learnt on top of it. Put it back, or fit again. ({error})"
        ) from None
    if now != kept["hash"].numpy().tobytes():
        raise DataError(
            f"the language model '{where}' is not the one that this run was fitted with: its files have changed. "
            "Put the old ones back, or fit again."
        )
    return where


def fingerprint(checkpoint: str) -> bytes:
    """The hash of the bytes of a checkpoint's weights, config and tokenizer, read as a stream.

    Raises:
        DataError: the folder, or the hub's copy on this machine, is not there.
    """
    folder = Path(located(checkpoint))
    if not folder.is_dir():
        hub = require("huggingface_hub", extra="llm")
        copy = hub.try_to_load_from_cache(checkpoint, "config.json")
        if not isinstance(copy, str):
            raise DataError(f"the hub's '{checkpoint}' is not among the downloaded models of this machine.")
        folder = Path(copy).parent
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(path for path in folder.iterdir() if path.suffix in READ and path.name != REPORT):
        digest.update(f"{path.name} {path.stat().st_size} ".encode())
        with path.open("rb") as stream:
            while piece := stream.read(1 << 22):
                digest.update(piece)
    return digest.digest()


READ = (".safetensors", ".bin", ".json", ".model", ".txt")
"""The files of a checkpoint that say what comes out of it."""
REPORT = "tiny.json"
"""Of a checkpoint that we made: how long it took, which says nothing of what comes out."""


FAULTS = (
    OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, EOFError, SafetensorError, UnpicklingError,
)  # fmt: skip
"""What reading files that are not what they should be ends in."""


def _attempt(checkpoint: str, kind: Any, where: str, **settings: Any) -> Any:
    try:
        return kind.from_pretrained(where, trust_remote_code=False, **settings)  # nor is anybody asked about it
    except FAULTS as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        if "gated repo" in str(error).lower():
            raise DataError(
                f"the hub does not hand out '{checkpoint}' to everybody. Accept its licence on "
                f"https://huggingface.co/{checkpoint}, then `hf auth login` with a token of that account; or give a "
                f"folder that holds it. ({reason})"
            ) from error
        near = "" if Path(where).is_dir() else _near(Path(where))
        raise DataError(f"the checkpoint '{checkpoint}' could not be loaded ({reason}).{near} {WAYS_OUT}") from error


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """Without transformers' own progress bar, which belongs to no run."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _near(folder: Path) -> str:
    """A folder beside it of nearly the same name, as a question."""
    known = [path.name for path in folder.parent.iterdir() if path.is_dir()] if folder.parent.is_dir() else []
    near = difflib.get_close_matches(folder.name, known, n=1)
    return f" Did you mean the folder '{folder.parent / near[0]}'?" if near else ""


def _quantised(bits: Bits | None, dtype: torch.dtype) -> dict[str, Any]:
    """What transformers needs to be told to load so many bits a weight."""
    if bits is None:
        return {}
    if not torch.cuda.is_available():
        raise SettingsError(f"backbone.bits={bits} needs a GPU (CUDA), and there is none here; leave it out.")
    require("bitsandbytes", extra="llm")
    transformers = require("transformers", extra="llm")
    how = (
        {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": dtype}
        if bits == 4
        else {"load_in_8bit": True}
    )
    return {"quantization_config": transformers.BitsAndBytesConfig(**how), "device_map": {"": 0}}


def _noted(notes: Any, name: str) -> list[str]:
    return list(notes[name] if isinstance(notes, Mapping) else getattr(notes, name))


def _bytes(values: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(values, dtype=np.uint8).copy())
