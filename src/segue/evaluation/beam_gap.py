"""What a beam search lost against the exact ranking, and what the model wastes on tuples that no item has."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import Field

from segue.core.ranking import NOTHING, Ranking
from segue.core.shapes import Float
from segue.evaluation.accuracy import HitRate, Ndcg
from segue.evaluation.metric import Targets, measure
from segue.evaluation.note import Note
from segue.evaluation.sheet import duration


class Answer(Note):
    """How one way of searching answered."""

    metrics: dict[str, float]
    """Mean over users, by name."""
    mass: float
    """Mean probability of the named items together."""
    seconds: float = Field(ge=0)
    """Wall time for all users."""


class BeamGap(Note):
    """The recipe's own decoder beside the exact ranking of the same model, on some test users."""

    users: int
    k: int
    """Places that are compared."""
    beam: Answer
    """The recipe's decoder."""
    exact: Answer
    """The whole catalogue, scored item by item."""
    overlap: float
    """Mean share of the exact list that is in the beam's too, in any order."""
    other_first: float
    """Share of users whose first item is another one."""
    inside: float
    """Mean probability of all items of the catalogue together; the rest lies on tuples that do not exist."""

    @classmethod
    def of(
        cls,
        beam: Ranking,
        exact: Ranking,
        targets: Targets,
        masses: Mapping[str, Float[np.ndarray, " rows"]],
        seconds: Mapping[str, float],
    ) -> BeamGap:
        """Compare two rankings of the same users; `masses` are probabilities of the `beam`'s list, of the `exact` one
        and of everything `inside` the catalogue; `seconds` those of `beam` and `exact`."""
        k = exact.items.shape[1]
        metrics = (HitRate(k=k), Ndcg(k=k))
        answers = {
            name: Answer(
                metrics={one: float(values.mean()) for one, values in measure(metrics, ranking, targets).items()},
                mass=float(masses[name].mean()),
                seconds=seconds[name],
            )
            for name, ranking in (("beam", beam), ("exact", exact))
        }
        named = exact.items != NOTHING
        both = (exact.items[:, :, None] == beam.items[:, None, :]).any(axis=2) & named
        return cls(
            users=len(exact),
            k=k,
            beam=answers["beam"],
            exact=answers["exact"],
            overlap=float((both.sum(axis=1) / np.maximum(named.sum(axis=1), 1)).mean()),
            other_first=float((exact.items[:, 0] != beam.items[:, 0]).mean()),
            inside=float(masses["inside"].mean()),
        )

    def words(self) -> str:
        """The gap in one line."""
        ndcg = f"NDCG@{self.k}"
        return (
            f"beam search: {ndcg} {self.beam.metrics[ndcg]:.4f}, exact {self.exact.metrics[ndcg]:.4f} "
            f"({self.users} users) · {self.overlap:.1%} of the {self.k} the same · first differs for "
            f"{self.other_first:.1%} · {1 - self.inside:.1%} of the probability on tuples that no item has · "
            f"{duration(self.beam.seconds)}, exact {duration(self.exact.seconds)}"
        )
