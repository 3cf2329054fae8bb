"""The decoder-only transformer: SASRec's, the Llama style, and LiGR's gates, by settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt
from torch import nn

from segue.core.forms import Backbone
from segue.layers.feed_forward import Activation
from segue.layers.transformer import Transformer


class CausalTransformer(Backbone):
    """Each token sees itself and what came before.

    SASRec (arXiv:1808.09781): pre-norm, learned places, ReLU, inner = width. The Llama style: `norm='rms'`,
    `position='rotary'`, `activation='swiglu'`. eSASRec's LiGR (arXiv:2508.06450): `gated=True`, `activation='swiglu'`.
    """

    width: PositiveInt = 64
    """Size of the hidden vectors."""
    depth: PositiveInt = 2
    """Number of blocks."""
    heads: PositiveInt = 2
    """Attention heads; they share the width."""
    inner: PositiveInt | None = 256
    """Size inside the feed-forward; none takes Llama's: 8/3 of the width, rounded up to a multiple of 32."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of values zeroed in training, at the input and of what each sub-layer adds."""
    activation: Activation = "relu"
    """What the feed-forward does in between."""
    norm: Literal["layer", "rms"] = "layer"
    """LayerNorm with biases everywhere, or RMSNorm without."""
    order: Literal["pre", "post"] = "pre"
    """Normalise before a sub-layer, or after its residual."""
    position: Literal["learned", "rotary"] = "learned"
    """A vector for each place added to the input, or queries and keys turned by their place."""
    gated: bool = False
    """Multiply what a sub-layer adds by a learnt gate."""
    eps: PositiveFloat | None = None
    """Added inside the norms; none takes 1e-8 for LayerNorm and 1e-6 for RMSNorm."""

    def build(self, length: int) -> nn.Module:
        """The trunk for histories of at most `length` tokens."""
        settings = {name: getattr(self, name) for name in type(self).model_fields}
        settings["inner"] = self.inner or -(-(8 * self.width // 3) // 32) * 32
        return Transformer(causal=True, length=length, **settings)
