"""GFlowGR: the ring beside the flow term, and the published settings."""

import pytest

from segue.objectives.flow_balance import FlowBalance
from segue.recipes.gflowgr import CLAIMS, RECIPE, VARIANTS
from segue.testing.contracts import check_recipe, first_losses
from segue.tokenizers.random_codes import RandomCodes


@pytest.mark.slow
@pytest.mark.learns
@pytest.mark.parametrize("name", ["small", "t5_small"])
def test_contract(name: str, learning_seed: int) -> None:
    """Trajectories stand beside what was learnt; at this weight they do not wash it out."""
    check_recipe(VARIANTS[name], seed=learning_seed)


def test_first_losses() -> None:
    """With drawn codes: fitted ones may differ by the rounding of a CPU, which turns near ties."""
    quick = VARIANTS["small"].changed(
        {
            "tokenizer": RandomCodes(levels=3, size=8),
            "procedure.before": None,
            "procedure.collaborative.procedure.loop.epochs": 1,
        }
    )
    assert first_losses(quick, steps=3) == pytest.approx([2.11067, 2.05407, 2.02705], rel=1e-3)


def test_the_published_choices() -> None:
    """Lambda 1 and three trajectories in all; trajectory balance is the one with the best published row."""
    assert RECIPE.objective.weight == 1.0  # type: ignore[attr-defined]
    assert RECIPE.procedure.count == 3  # type: ignore[attr-defined]
    kinds = {"db": "detailed", "subtb": "sub_trajectory"}
    assert all(VARIANTS[name].objective.beside == FlowBalance(balance=kind) for name, kind in kinds.items())  # type: ignore[attr-defined, arg-type]
    best = max(CLAIMS, key=lambda claim: claim.published.get("NDCG@10", 0.0))
    assert (best.system, best.row) == ("gflowgr_tuned", "beauty-unfiltered")
