"""The data audit of a run: what could make its numbers mean something else than they seem to."""

from __future__ import annotations

from fastapi import APIRouter

from segue.data.audit import Audit, audit
from segue.service.dependencies import ServiceOf
from segue.service.looks import LooksOf, stamp
from segue.service.reading import reading
from segue.workflows.runs import dataset_of, experiment_of

router = APIRouter(tags=["runs"])


@router.get("/runs/{name}/audit")
def show_audit(name: str, service: ServiceOf, looks: LooksOf) -> Audit:
    """Looks the run's data and split over; nothing is refused, nothing is left unsaid."""
    folder = service.shelf.folder(name)

    def read() -> Audit:
        experiment = experiment_of(folder)
        dataset = dataset_of(experiment)
        return audit(dataset, experiment.split.cut(dataset, 0), seen=experiment.evaluation.seen)

    with reading(name, folder):
        found: Audit = looks.answers.get(("audit", stamp(folder)), read)
    return found
