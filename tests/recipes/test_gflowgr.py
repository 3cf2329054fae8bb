"""GFlowGR: the ring beside the flow term, and the published settings."""

import pytest

from segue.objectives.flow_balance import FlowBalance
from segue.recipes.gflowgr import CLAIMS, RECIPE, VARIANTS
from segue.testing.contracts import check_recipe, first_losses


@pytest.mark.slow
@pytest.mark.parametrize("name", ["small", "t5_small"])
def test_contract(name: str) -> None:
    """Trajectories stand beside what was learnt; at this weight they do not wash it out."""
    check_recipe(VARIANTS[name])


def test_first_losses() -> None:
    quick = VARIANTS["small"].changed({"procedure.before": None, "procedure.collaborative.procedure.loop.epochs": 1})
    assert first_losses(quick, steps=3) == pytest.approx([2.25078, 2.12744, 2.06937], rel=1e-3)


def test_the_published_choices() -> None:
    """Lambda 1 and three trajectories in all; trajectory balance is the one with the best published row."""
    assert RECIPE.objective.weight == 1.0  # type: ignore[attr-defined]
    assert RECIPE.procedure.count == 3  # type: ignore[attr-defined]
    kinds = {"db": "detailed", "subtb": "sub_trajectory"}
    assert all(VARIANTS[name].objective.beside == FlowBalance(balance=kind) for name, kind in kinds.items())  # type: ignore[attr-defined, arg-type]
    best = max(CLAIMS, key=lambda claim: claim.published.get("NDCG@10", 0.0))
    assert (best.system, best.row) == ("gflowgr_tuned", "beauty-unfiltered")
