"""The encoder-decoder of T5: what TIGER, LETTER and OneRec write codes with."""

from __future__ import annotations

from pydantic import Field, PositiveInt
from torch import nn

from segue.core.forms import Backbone
from segue.layers.encoder_decoder import EncoderDecoderTrunk


class EncoderDecoder(Backbone):
    """An encoder that sees the whole context, and a decoder that writes after it.

    T5 version 1.0 (arXiv:1910.10683): pre-norm with RMSNorm, no biases, ReLU, relative position bias by buckets shared
    by all layers, attention products not divided by sqrt(size), heads whose sizes need not add up to the width. With
    equal weights it gives the outputs of `transformers`' T5 (a test says so). Differs: the attention weights
    themselves are not dropped in training.
    """

    width: PositiveInt = 128
    """Size of the hidden vectors."""
    depth: PositiveInt = 4
    """Blocks of the encoder, and as many of the decoder."""
    heads: PositiveInt = 6
    """Attention heads."""
    size: PositiveInt = 64
    """Size of a head."""
    inner: PositiveInt = 1024
    """Size inside the feed-forward."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of values zeroed in training."""
    buckets: PositiveInt = Field(default=32, ge=4)
    """Classes of distance between tokens."""
    farthest: PositiveInt = 128
    """Distance from which on all are one class."""

    def build(self, length: int) -> nn.Module:
        """The trunk; its relative positions know no longest length."""
        return EncoderDecoderTrunk(**{name: getattr(self, name) for name in type(self).model_fields})
