"""Who keeps the numbers of a run: a JSONL file always, TensorBoard and MLflow where they are asked for."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segue.core.errors import in_words
from segue.core.extras import require
from segue.core.whole import write_text

logger = logging.getLogger(__name__)


class Silent:
    """A watch that does nothing; the trackers below only care for `log`."""

    def begin(self, what: str, steps: int) -> None:
        """Nothing."""

    def advance(self, steps: int, note: str = "") -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


class JsonLines(Silent):
    """One line a look: the training step and the numbers. A resumed run drops the lines that it will write again."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if not resume:
            path.write_text("", encoding="utf-8")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Append a line, after forgetting what a killed process wrote of this step or later ones."""
        before = [row for row in curve(self.path) if row["step"] < step]
        rows = [*before, {"step": step, **values}]
        try:
            write_text(self.path, "".join(json.dumps(row) + "\n" for row in rows))
        except OSError as error:  # a full disk must not end a training
            logger.warning("the numbers of step %d could not be written down (%s)", step, in_words(error))


def curve(path: Path) -> list[dict[str, float]]:
    """The lines of a metrics file, oldest first; none if there is no file."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):  # the last line of a killed process, or not ours
            break
        if not isinstance(row, dict) or not all(isinstance(value, int | float) for value in row.values()):
            break
        if "step" not in row:
            break
        rows.append(row)
    return rows


class TensorBoard(Silent):
    """Scalars for TensorBoard, in the run's folder. Needs the extra `track`.

    Nothing is written before the first number: until then the folder belongs to nobody.
    """

    def __init__(self, folder: Path) -> None:
        require("tensorboard", extra="track")
        self.folder = folder
        self.writer: Any = None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write the numbers of this step."""
        if self.writer is None:
            self.writer = require("torch.utils.tensorboard", extra="track").SummaryWriter(str(self.folder))
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()


class MlFlow(Silent):
    """Metrics of one MLflow run, at the server that MLFLOW_TRACKING_URI names. Needs the extra `track`."""

    def __init__(self, name: str) -> None:
        self.mlflow, self.name, self.started = require("mlflow", extra="track"), name, False

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Send the numbers of this step."""
        if not self.started:
            self.mlflow.start_run(run_name=self.name)
            self.started = True
        self.mlflow.log_metrics(dict(values), step=step)

    def end(self) -> None:
        """Close the run."""
        if self.started:
            self.mlflow.end_run()
            self.started = False
