"""The encoder-only transformer: every token sees its whole row, as in BERT4Rec."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt
from torch import nn

from segue.core.forms import Backbone
from segue.layers.feed_forward import Activation
from segue.layers.transformer import Transformer


class Bidirectional(Backbone):
    """Each token sees all tokens of its row, the later ones too. The defaults are BERT4Rec's (arXiv:1904.06690)."""

    width: PositiveInt = 64
    """Size of the hidden vectors."""
    depth: PositiveInt = 2
    """Number of blocks."""
    heads: PositiveInt = 2
    """Attention heads; they share the width."""
    inner: PositiveInt = 256
    """Size inside the feed-forward."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of values zeroed in training, at the input and of what each sub-layer adds."""
    activation: Activation = "gelu"
    """What the feed-forward does in between."""
    order: Literal["pre", "post"] = "post"
    """Normalise before a sub-layer, or after its residual."""

    def build(self, length: int) -> nn.Module:
        """The trunk for histories of at most `length` tokens and one more, the question."""
        settings = {name: getattr(self, name) for name in type(self).model_fields}
        return Transformer(causal=False, length=length + 1, norm="layer", position="learned", gated=False, **settings)
