"""For everybody who writes a part: worlds whose right answer is known, and the checks that every part must pass."""

from segue.testing.contracts import (
    check_backbone,
    check_decoder,
    check_objective,
    check_recipe,
    check_token_decoder,
    first_losses,
)
from segue.testing.rankers import check_ranker
from segue.testing.requests import parity_requests
from segue.testing.tokenizers import check_tokenizer
from segue.testing.worlds import ring, two_tastes

__all__ = [
    "check_backbone",
    "check_decoder",
    "check_objective",
    "check_ranker",
    "check_recipe",
    "check_token_decoder",
    "check_tokenizer",
    "first_losses",
    "parity_requests",
    "ring",
    "two_tastes",
]
