"""What a run measured, with all that is needed to believe it: `report.json`, and the value of each user beside it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np
from pydantic import Field, computed_field, model_validator

from segue.core.errors import RunError
from segue.core.reading import read_json, shortly
from segue.core.shapes import Float
from segue.core.tables import Dataset
from segue.core.whole import whole_file, write_text
from segue.evaluation.beam_gap import BeamGap
from segue.evaluation.code_health import CodeHealth
from segue.evaluation.data_note import DataNote
from segue.evaluation.language_note import LanguageNote
from segue.evaluation.note import Note
from segue.evaluation.protocol import Protocol
from segue.evaluation.reliability import Reliability
from segue.evaluation.significance import Spread

REPORT = "report.json"
PER_USER = "per_user.npz"
RANKED = ("AUC", "GAUC", "LogLoss")
"""The measures of a ranker's first task that tables show."""


class Value(Note):
    """A mean over users and its standard error."""

    mean: float
    error: float = 0.0


class DatasetNote(Note):
    """Which data: equal digests are equal data."""

    name: str
    digest: str
    users: int
    items: int
    events: int

    @classmethod
    def of(cls, dataset: Dataset) -> DatasetNote:
        """What a report says of this dataset."""
        return cls(
            name=dataset.name,
            digest=dataset.digest,
            users=len(dataset.log.offsets) - 1,
            items=len(dataset.catalog),
            events=len(dataset.log),
        )


class Sample(Note):
    """What one user did, was recommended and then took, as titles."""

    user: str
    history: list[str]
    recommended: list[str]
    taken: list[str]


class Shown(Note):
    """An item of a request: how likely a ranker found the action, and whether it happened; None where unknown."""

    title: str
    probability: float
    happened: bool | None


class SampleRequest(Note):
    """What one user had done, was shown, the likeliest first, and then did."""

    user: str
    history: list[str]
    task: str
    shown: list[Shown]


class Report(Note):
    """One recipe, trained once, measured once."""

    recipe: str
    dataset: DatasetNote
    protocol: Protocol
    users: int
    """Users the metrics are means over."""
    metrics: dict[str, Value]
    """By name, such as `NDCG@10`."""
    beyond: dict[str, float] = Field(default_factory=dict)
    """Coverage, novelty and so on, by name."""
    slices: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Slice, then metric; `users` is the number of users in the slice."""
    recommended_deciles: list[float] = Field(default_factory=list)
    """Share of recommendations in each tenth of the catalogue, most popular first."""
    chosen_deciles: list[float] = Field(default_factory=list)
    """The same of what the users had chosen themselves."""
    seed: int = 0
    seconds: float = 0.0
    """Wall time of the fit."""
    cpu_seconds: float = 0.0
    peak_memory_mb: float = 0.0
    hardware: dict[str, str] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    command: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    """The resolved recipe."""
    curves: dict[str, list[tuple[float, float]]] = Field(default_factory=dict)
    """Step and value, by name, such as `training loss`."""
    samples: list[Sample] = Field(default_factory=list)
    requests: list[SampleRequest] = Field(default_factory=list)
    """The same of rankers."""
    reliability: dict[str, Reliability] = Field(default_factory=dict)
    """Probabilities against what came, by task, of rankers."""
    codes: CodeHealth | None = None
    """How well the items' codes serve, of systems that write codes."""
    data: DataNote | None = None
    """How the data were read, what was dropped and what was found; reports of before have none."""
    beam: BeamGap | None = None
    """What the search lost against the exact ranking, of systems that write codes."""
    language: LanguageNote | None = None
    """The language model behind a system that has one, and what it wrote."""
    written: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def fingerprint(self) -> str:
        """Of the protocol; a stored one that does not fit its protocol is refused."""
        return self.protocol.fingerprint

    @model_validator(mode="before")
    @classmethod
    def _check_fingerprint(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or "fingerprint" not in values:
            return values
        fields = {name: value for name, value in values.items() if name != "fingerprint"}
        actual = Protocol.model_validate(fields.get("protocol", {})).fingerprint
        if values["fingerprint"] != actual:
            raise ValueError(
                f"the fingerprint is {values['fingerprint']} and its protocol has {actual}; one of them was edited"
            )
        return fields


@dataclass(frozen=True)
class Measured:
    """A report and the value of every user, which paired tests need; `users` are the users' own ids."""

    report: Report
    users: np.ndarray
    values: Mapping[str, Float[np.ndarray, " users"]]

    def save(self, folder: Path) -> None:
        """Write `report.json` and `per_user.npz`; each is either whole or not there. The report comes last, so that
        where it is, the rest is too."""
        arrays: dict[str, np.ndarray] = {f"metric {name}": values for name, values in self.values.items()}
        with whole_file(folder / PER_USER) as partial, partial.open("wb") as file:
            np.savez(file, allow_pickle=False, users=_plain_text(self.users), **arrays)
        write_text(folder / REPORT, self.report.model_dump_json(indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Measured:
        """What a run folder holds.

        Raises:
            RunError: the folder has no report, or one that cannot be read.
        """
        report = read_report(folder)
        path = folder / PER_USER
        if not path.exists():
            raise RunError(f"{path} is missing, so no paired test can be made; run: segue evaluate {folder}")
        try:
            return cls(report, *_values_of(path))
        except (ValueError, KeyError, OSError, EOFError, MemoryError, BadZipFile, zlib.error) as error:
            raise RunError(
                f"{path} is not a file of per-user values ({shortly(error)}); run: segue evaluate {folder}"
            ) from None


def leading(report: Report) -> list[str]:
    """The metrics that stand for the rest: of rankers the first task's, and the AUC of the others; of systems that
    answer with lists the hit rate and NDCG at 10."""
    tasks = [name.removeprefix("AUC ") for name in report.metrics if name.startswith("AUC ")]
    if not tasks:
        return ["HR@10", "NDCG@10"]
    wanted = [*(f"{measure} {tasks[0]}" for measure in RANKED), *(f"AUC {task}" for task in tasks[1:])]
    return [name for name in wanted if name in report.metrics]


def read_report(folder: Path) -> Report:
    """The report of a run folder.

    Raises:
        RunError: there is none, or it is not one.
    """
    path = folder / REPORT
    if not path.exists():
        raise RunError(f"{folder} has no {REPORT}; a run that was evaluated has one. Run: segue evaluate {folder}")
    try:
        return Report.model_validate(read_json(path))
    except (ValueError, RecursionError) as error:
        raise RunError(
            f"{path} is not a report that this version of segue can read ({shortly(error)}); run: segue evaluate "
            f"{folder}"
        ) from None


def means(values: Mapping[str, Float[np.ndarray, " users"]], users: np.ndarray | None = None) -> dict[str, Value]:
    """The mean and standard error of per-user values; with one user the error is 0, for want of a better word. `users`
    says whose each value is, where somebody has several."""
    spreads = {name: Spread.of(one, users) for name, one in values.items()}
    return {
        name: Value(mean=spread.mean, error=spread.standard_error if np.isfinite(spread.standard_error) else 0.0)
        for name, spread in spreads.items()
    }


def _plain_text(users: np.ndarray) -> np.ndarray:
    """Text of fixed width, which numpy stores without pickle."""
    return users.astype(np.str_) if users.dtype == object else users


def _values_of(path: Path) -> tuple[np.ndarray, dict[str, Float[np.ndarray, " users"]]]:
    """The users and the values of a file that `Measured.save` wrote.

    Raises:
        ValueError: it is another; as other errors of damaged archives.
    """
    with ZipFile(path) as archive:  # we pack nothing, so that no small file becomes a large one in memory
        if packed := [one.filename for one in archive.infolist() if one.compress_type != ZIP_STORED]:
            raise ValueError(f"{packed[0]} in it is compressed, which ours never are")
    with np.load(path, allow_pickle=False) as file:
        users = file["users"]
        values = {name.removeprefix("metric "): file[name] for name in file.files if name != "users"}
    for name, one in values.items():
        if one.shape != users.shape or one.ndim != 1 or one.dtype.kind not in "fiu":
            raise ValueError(f"'{name}' has {one.shape} values of {one.dtype} for {users.shape} users")
    return users, values
