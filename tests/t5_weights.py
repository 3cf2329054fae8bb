"""A T5 of `transformers` and a token generator of ours with the same weights: for the tests and the benchmarks."""

from typing import Any

import torch
from torch import Tensor

from segue.backbones.encoder_decoder import EncoderDecoder
from segue.core.codes import ItemCodes
from segue.models.token_generator import TokenGenerator, TokenGeneratorModel


def twins(codes: ItemCodes, backbone: EncoderDecoder, history: int) -> tuple[TokenGeneratorModel, Any]:
    """Ours and theirs. Their token 0 is padding and start; token t > 0 is row t - 1 of our code table.

    Their softmax runs over the padding token too, so the last level of `codes` must have one code that no item has:
    its vector is their padding's.
    """
    import transformers

    assert codes.codes[:, -1].max() < codes.sizes[-1] - 1, "the last level needs an unused code for the padding"
    config = transformers.T5Config(
        vocab_size=codes.vocabulary, d_model=backbone.width, d_kv=backbone.size, d_ff=backbone.inner,
        num_layers=backbone.depth, num_heads=backbone.heads, dropout_rate=backbone.dropout, pad_token_id=0,
        decoder_start_token_id=0, eos_token_id=None, relative_attention_num_buckets=backbone.buckets,
        relative_attention_max_distance=backbone.farthest,
    )  # fmt: skip
    theirs = transformers.T5ForConditionalGeneration(config).eval()
    part = TokenGenerator(softmax="vocabulary", scaled=True, spread=1.0)
    ours = part.build(backbone, codes, history).eval()
    weights = theirs.state_dict()
    own: dict[str, Tensor] = {
        "table.weight": torch.cat([weights["shared.weight"][1:], weights["shared.weight"][:1]]),
        "trunk.start": weights["shared.weight"][0],
        "trunk.reading_bias.table.weight": weights[f"{_BLOCK.format('encoder', 0)}0.SelfAttention.{_BIAS}"],
        "trunk.writing_bias.table.weight": weights[f"{_BLOCK.format('decoder', 0)}0.SelfAttention.{_BIAS}"],
        "trunk.read_norm.weight": weights["encoder.final_layer_norm.weight"],
        "trunk.write_norm.weight": weights["decoder.final_layer_norm.weight"],
    }
    for layer in range(backbone.depth):
        reader, writer = _BLOCK.format("encoder", layer), _BLOCK.format("decoder", layer)
        own |= _attention(weights, f"{reader}0.", "SelfAttention", f"trunk.reading.{layer}.attention.")
        own |= _feed(weights, f"{reader}1.", f"trunk.reading.{layer}.feed.")
        own |= _attention(weights, f"{writer}0.", "SelfAttention", f"trunk.writing.{layer}.attention.")
        own |= _attention(weights, f"{writer}1.", "EncDecAttention", f"trunk.writing.{layer}.context.")
        own |= _feed(weights, f"{writer}2.", f"trunk.writing.{layer}.feed.")
    ours.load_state_dict(own)
    return ours, theirs


_BLOCK = "{}.block.{}.layer."
_BIAS = "relative_attention_bias.weight"


def _attention(weights: dict[str, Tensor], place: str, kind: str, name: str) -> dict[str, Tensor]:
    return {
        f"{name}norm.weight": weights[f"{place}layer_norm.weight"],
        f"{name}qkv.weight": torch.cat([weights[f"{place}{kind}.{matrix}.weight"] for matrix in "qkv"]),
        f"{name}out.weight": weights[f"{place}{kind}.o.weight"],
    }


def _feed(weights: dict[str, Tensor], place: str, name: str) -> dict[str, Tensor]:
    return {
        f"{name}norm.weight": weights[f"{place}layer_norm.weight"],
        f"{name}widen.weight": weights[f"{place}DenseReluDense.wi.weight"],
        f"{name}narrow.weight": weights[f"{place}DenseReluDense.wo.weight"],
    }
