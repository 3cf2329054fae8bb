"""No learning at all: the language model answers as it is."""

from __future__ import annotations

from typing import Any

from torch import nn

from segue.core.forms import Batches, Decoder, Objective, Procedure
from segue.core.run import Run
from segue.core.tables import Split
from segue.core.text_forms import TextModel


class Untrained(Procedure[TextModel]):
    """Zero-shot, or few-shot where the prompts show examples: a control for everything that is tuned."""

    def __call__(
        self,
        model: Any,
        batches: Batches,
        objective: Objective[TextModel],
        decoder: Decoder[TextModel],
        split: Split,
        run: Run,
    ) -> None:
        """Leave the model as it is."""
        assert isinstance(model, nn.Module)
        model.eval()
