"""All forms of the causal transformer keep the contract."""

from itertools import product

import pytest
import torch
from torch import nn

from segue.backbones.causal_transformer import CausalTransformer
from segue.testing import check_backbone

FORMS = list(
    product(("layer", "rms"), ("pre", "post"), ("learned", "rotary"), (False, True), ("relu", "gelu", "swiglu"))
)


@pytest.mark.parametrize(("norm", "order", "position", "gated", "activation"), FORMS)
def test_contract(norm, order, position, gated, activation) -> None:
    check_backbone(
        CausalTransformer(
            width=16, inner=16, norm=norm, order=order, position=position, gated=gated, activation=activation
        )
    )


@pytest.mark.parametrize(
    ("depth", "width", "heads", "inner", "parameters"),
    [
        (1, 32, 4, 96, 13_408),
        (4, 32, 4, 96, 53_536),
        (4, 64, 4, 192, 213_568),
        (4, 128, 4, 352, 803_968),
        (4, 256, 4, 704, 3_213_568),
        (8, 512, 8, 1376, 25_305_600),
        (12, 768, 12, 2048, 84_953_856),
        (24, 1024, 16, 2752, 303_612_928),
    ],
)
def test_the_dense_parameters_of_gpsd_from_13_thousand_to_300_million(depth, width, heads, inner, parameters) -> None:
    described = CausalTransformer(
        width=width, depth=depth, heads=heads, inner=None, activation="swiglu", norm="rms", position="rotary", eps=1e-5
    )
    with torch.device("meta"):
        trunk = described.build(51)
    assert sum(parameter.numel() for parameter in trunk.parameters()) == parameters
    assert trunk.blocks[1].brick.narrow.in_features == inner
    assert {norm.eps for norm in trunk.modules() if isinstance(norm, nn.RMSNorm)} == {1e-5}


def test_norms_keep_their_own_constant_unless_told() -> None:
    for norm, eps in (("rms", 1e-6), ("layer", 1e-8)):
        trunk = CausalTransformer(width=8, inner=8, norm=norm).build(4)
        assert {module.eps for module in trunk.modules() if hasattr(module, "eps")} == {eps}
