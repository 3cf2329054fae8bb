"""SASRec learns the ring, and its variants build and take a step."""

import pytest

from segue.core.run import Run
from segue.recipes import sasrec
from segue.testing import check_recipe, first_losses, ring


def test_contract() -> None:
    check_recipe(sasrec.VARIANTS["small"])
