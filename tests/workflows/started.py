"""A system that is fine-tuned from a run of another, and notes numbers beside its loss."""

import torch

from segue.core.forms import Loss, TokenModel
from segue.core.shapes import Float, Int
from segue.objectives.next_code import NextCode
from segue.tokenizers.random_codes import RandomCodes
from workflows import small_tokens


class Noting(NextCode):
    """The same loss, with one number to follow and one that is none."""

    def of_answers(
        self,
        model: TokenModel,
        states: Float[torch.Tensor, "answers levels width"],
        items: Int[torch.Tensor, " answers"],
    ) -> Loss:
        """Next-code cross entropy."""
        notes = {"flow/log Z": torch.tensor(1.5), "flow/none": torch.tensor(float("nan"))}
        return super().of_answers(model, states, items)._replace(notes=notes)


BEFORE = small_tokens.RECIPE.changed({"name": "small_random", "tokenizer": RandomCodes(levels=2, size=4)})
RECIPE = BEFORE.changed(
    {
        "name": "small_tuned",
        "objective": Noting(),
        "procedure.loop.epochs": 2,
        "procedure.loop.optimizer.rate": 0.02,
    }
)
