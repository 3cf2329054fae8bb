"""A language model that somebody trained: a folder as transformers saves it, or a name on the hub."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import PositiveInt
from torch import Tensor, nn

from segue.backbones._language import living
from segue.core.run import Run
from segue.core.tables import Split
from segue.core.text_forms import LanguageBackbone
from segue.language import checkpoint as files
from segue.language.checkpoint import Bits
from segue.layers.adapters import Lora
from segue.training.precision import Precision


class PretrainedLm(LanguageBackbone):
    """Any causal language model that transformers can load, with adapters.

    A run keeps what was learnt and where the checkpoint is; the checkpoint's files are hashed, and looked for again
    when the run is opened.
    """

    checkpoint: str
    """A folder with config.json, weights and a tokenizer, or a name on the Hugging Face hub."""
    lora: Lora | None = Lora()
    """The adapters that are learnt; none learns all weights, and keeps a copy of those before."""
    precision: Precision = "auto"
    """Of the frozen weights: bfloat16 where a GPU has it, else float32. What is learnt is float32."""
    bits: Bits | None = None
    """Round the frozen weights to so many bits (bitsandbytes; needs a GPU)."""
    gradient_checkpointing: bool = False
    """Compute each layer again in the backward pass, for a third more time and much less memory."""
    length: PositiveInt = 700
    """Tokens of a prompt and its response at most."""

    def prepare(self, split: Split, run: Run) -> str:
        """The folder, absolute, or the name on the hub.

        Raises:
            SettingsError: no checkpoint was given.
            DataError: it cannot be found or reached.
        """
        return files.reached(self.checkpoint)

    def load(self, checkpoint: str) -> nn.Module:
        """The living trunk; see `LanguageBackbone`."""
        settings = {name: getattr(self, name) for name in type(self).model_fields if name != "checkpoint"}
        return living(checkpoint, **settings)

    def kept(self, checkpoint: str) -> Mapping[str, Tensor]:
        """Where the checkpoint is, and the hash of its files."""
        return files.kept(checkpoint)

    def found(self, kept: Mapping[str, Tensor]) -> str:
        """The checkpoint of a run that kept this.

        Raises:
            DataError: it is gone, or its files have changed.
        """
        return files.found(kept)
