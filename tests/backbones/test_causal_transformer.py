"""All forms of the causal transformer keep the contract."""

from itertools import product

import pytest

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
