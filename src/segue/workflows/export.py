"""What a run computes as files that need no Segue: a program of torch, an ONNX graph, and how to feed them."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch.export import Dim, ExportedProgram

from segue.core.errors import RunError, SettingsError
from segue.core.extras import require
from segue.core.impressions import RankingSplit
from segue.core.ranking_recipe import FittedRanker
from segue.core.recipe import Recommender
from segue.core.seeding import numpy_generator
from segue.core.tables import Dataset
from segue.core.whole import whole_folder, write_text
from segue.evaluation.note import Note
from segue.evaluation.report import REPORT, read_report
from segue.export.cases import Cases, cases_of_histories, cases_of_requests, histories_of
from segue.export.graph import Graph, Port, example, graph_of
from segue.export.parity import TOLERANCE, Program, largest_difference
from segue.workflows.belonging import check_data, digest_of
from segue.workflows.experiment import Experiment
from segue.workflows.export_page import page
from segue.workflows.measure import versions
from segue.workflows.place import check_place
from segue.workflows.runs import CATALOG, WEIGHTS, dataset_of, open_run

Format = Literal["torch", "onnx"]
FORMATS: tuple[Format, ...] = ("torch", "onnx")
TORCH, ONNX, ABOUT, ITEMS, PAGE = "model.pt2", "model.onnx", "export.json", "items.json", "README.md"
COMPARED = 48
"""Histories or requests that an export is compared on."""
ONE_FILE = 1_000_000_000
"""Bytes of weights from which on an ONNX graph keeps them in a file beside it; its own may not exceed 2 GB."""


class Parity(Note):
    """How far a file is from the fitted system."""

    largest_difference: float
    """Relative to the largest number of a row."""
    tolerance: float
    rows: int
    """Histories or requests of the run's own data that were compared."""
    shortest: int
    longest: int
    """Events of these histories."""


class ExportNote(Note):
    """`export.json`: what the files are, what goes in and what comes out, and where they come from."""

    system: str
    form: Literal["scores", "items", "probabilities"]
    window: int | None
    """The newest events of a history that count; all others may be given and are not looked at."""
    padding: Literal["right"] = "right"
    inputs: list[Port]
    outputs: list[Port]
    items: int
    data: str
    """Digest of the data that the run was fitted on."""
    weights: str
    """SHA-256 of the run's weights."""
    fingerprint: str | None
    """Of the protocol that the run was measured by, where it was."""
    files: dict[str, str]
    """SHA-256 by name."""
    parity: dict[str, Parity]
    """By format."""
    versions: dict[str, str]
    opset: int | None = Field(default=None)
    """Of the ONNX graph."""


def export_run(
    folder: Path,
    out: Path,
    formats: Sequence[Format] = FORMATS,
    *,
    k: int | None = None,
    overwrite: bool = False,
) -> ExportNote:
    """Write what a run computes to a folder of its own, or nothing at all.

    Each file is loaded anew and compared with the run on histories of its own data before the folder appears.

    Raises:
        SettingsError: the system cannot be exported, or k is not for it.
        RunError: the folder is not a finished run, its data has changed, `out` is not to be replaced, or a file says
            something else than the run.
        MissingExtra: the packages for ONNX are not installed.
    """
    check_place(out, ABOUT, "export files", overwrite=overwrite)
    experiment, recommender = open_run(folder)
    if "onnx" in formats:
        for package in ("onnx", "onnxscript", "onnxruntime"):
            require(package, extra="onnx")
    dataset = dataset_of(experiment)
    check_data(folder, dataset, recommender.catalog, strict=True)
    graph = graph_of(recommender, timed=dataset.log.timestamps is not None, k=k)
    cases = _cases(graph, experiment, recommender, dataset)
    with whole_folder(out) as draft:
        note = write(draft, graph, cases, formats).model_copy(
            update={
                "system": recommender.recipe.name,
                "items": len(recommender.catalog),
                "data": digest_of(folder) or dataset.digest,
                "weights": _digest(folder / WEIGHTS),
                "fingerprint": read_report(folder).fingerprint if (folder / REPORT).exists() else None,
            }
        )
        recommender.catalog.table.write_parquet(draft / CATALOG)
        ids = json.dumps(recommender.catalog.ids.to_list(), ensure_ascii=False)
        write_text(draft / ITEMS, ids + "\n")
        write_text(draft / PAGE, page(graph, formats, recommender.recipe.name))
        note = note.model_copy(update={"files": {path.name: _digest(path) for path in sorted(draft.iterdir())}})
        write_text(draft / ABOUT, note.model_dump_json(indent=1) + "\n")
    return note


def _cases(graph: Graph, experiment: Experiment, recommender: Recommender, dataset: Dataset) -> Cases:
    """What the files are compared on."""
    rng = numpy_generator(0, "export")
    if isinstance(recommender, FittedRanker):
        split = experiment.split.cut(dataset, 0)
        if not isinstance(split, RankingSplit):
            raise SettingsError(f"{recommender.recipe.name}: its split has no requests to compare the export on.")
        asked = next(some for some in (split.asked, split.validated, split.learnt) if len(some))
        lengths = asked.histories.lengths
        rows = rng.choice(len(asked), min(COMPARED, len(asked)), replace=False)
        ends = [int(lengths.argmin()), int(lengths.argmax()), *np.flatnonzero(lengths == 1)[:1].tolist()]
        return cases_of_requests(graph, recommender, asked.take(np.unique([*rows, *ends])))
    histories = histories_of(dataset.log.histories(), graph.window, COMPARED, rng)
    return cases_of_histories(graph, recommender, histories, rng)


def write(draft: Path, graph: Graph, cases: Cases, formats: Sequence[Format]) -> ExportNote:
    """Write the programs, compare each with what is expected of it, and note what is known from them alone.

    Raises:
        RunError: one of them says something else.
    """
    program, parity, opset = _traced(graph), {}, None
    if "torch" in formats:
        torch.export.save(program, draft / TORCH)
        parity["torch"] = _compared("torch", graph, cases, torch_program(draft / TORCH, graph.names))
    if "onnx" in formats:
        opset = _write_onnx(draft / ONNX, graph, program)
        parity["onnx"] = _compared("onnx", graph, cases, onnx_program(draft / ONNX))
    packages = ("onnx", "onnxruntime") if "onnx" in formats else ()
    return ExportNote(
        system="",
        form=graph.form,
        window=graph.window,
        inputs=list(graph.inputs),
        outputs=list(graph.outputs),
        items=0,
        data="",
        weights="",
        fingerprint=None,
        files={},
        parity=parity,
        versions={**versions(), **{name: metadata.version(name) for name in packages}},
        opset=opset,
    )


def _compared(name: str, graph: Graph, cases: Cases, program: Program) -> Parity:
    apart = largest_difference(graph, cases, program)
    if not apart <= TOLERANCE:
        raise RunError(
            f"the {name} file differs from the run by {apart:.2g} (relative; up to {TOLERANCE:g} is rounding), so "
            "nothing was written. This is an error of ours; please report it with the run's recipe.yaml."
        )
    lengths = cases.lengths
    return Parity(
        largest_difference=apart,
        tolerance=TOLERANCE,
        rows=len(lengths),
        shortest=int(lengths.min()),
        longest=int(lengths.max()),
    )


def _traced(graph: Graph) -> ExportedProgram:
    with _quiet(), torch.no_grad():
        return torch.export.export(graph.module, example(graph), dynamic_shapes=_open_sizes(graph))


def _write_onnx(path: Path, graph: Graph, program: ExportedProgram) -> int:
    """Write the ONNX graph; its opset."""
    inputs = example(graph)
    with _quiet(), torch.no_grad():
        made = torch.onnx.export(
            program,
            inputs,
            dynamo=True,
            verbose=False,
            input_names=graph.names,
            output_names=[port.name for port in graph.outputs],
            dynamic_shapes=_open_sizes(graph),
        )
    assert made is not None
    size = sum(weight.numel() * weight.element_size() for weight in program.state_dict.values())
    size += sum(one.numel() * one.element_size() for one in program.constants.values() if isinstance(one, torch.Tensor))
    made.save(path, external_data=size > ONE_FILE)
    return int(made.model.opset_imports[""])


def _open_sizes(graph: Graph) -> tuple[object, ...]:
    """Which sizes of the inputs may differ from call to call, as torch is told; `*others` are one argument."""
    sizes = {name: Dim(name) for port in graph.inputs for name in port.shape if isinstance(name, str)}
    each = [
        {place: sizes[name] for place, name in enumerate(port.shape) if isinstance(name, str)} for port in graph.inputs
    ]
    if graph.form != "probabilities":
        return tuple(each)
    return (*each[:4], tuple(each[4:]))


def torch_program(path: Path, names: Sequence[str]) -> Program:
    """A file of torch, loaded anew."""
    module = torch.export.load(path).module()

    def run(inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        with torch.inference_mode():
            return [output.numpy() for output in module(*(torch.from_numpy(inputs[name]) for name in names))]

    return run


def onnx_program(path: Path) -> Program:
    """A file of ONNX, loaded anew and run by onnxruntime."""
    session = require("onnxruntime", extra="onnx").InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_inputs()]

    def run(inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        found: list[np.ndarray] = session.run(None, {name: inputs[name] for name in names})
        return found

    return run


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporters warn about packages that we do not use and about themselves."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
