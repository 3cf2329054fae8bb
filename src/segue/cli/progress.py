"""A progress bar for whoever waits at a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Bar:
    """A `Watch`: one bar a piece of work with the time left, and a line for each look at the validation cases."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.progress: Progress | None = None
        self.task: TaskID | None = None

    def begin(self, what: str, steps: int) -> None:
        """Show a new bar."""
        self.end()
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.progress.start()
        self.task = self.progress.add_task(what, total=steps, note="")

    def advance(self, steps: int, note: str = "") -> None:
        """Move the bar."""
        if self.progress is not None and self.task is not None:
            self.progress.update(self.task, advance=steps)
            if note:
                self.progress.update(self.task, note=note)

    def end(self) -> None:
        """Take the bar away."""
        if self.progress is not None:
            self.progress.stop()
            self.progress = None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Print the numbers of a look."""
        words = [f"epoch {values['epoch']:.0f}"] if "epoch" in values else [f"step {step}"]
        words += [f"{name} {value:.4f}" for name, value in values.items() if name in ("loss", "score")]
        words += [f"{values['seconds']:.0f} s"] if "seconds" in values else []
        self.console.print(" · ".join(words), highlight=False)
