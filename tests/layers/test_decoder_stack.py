"""A pretrained decoder over packed rows gives what transformers gives row by row, whichever way it is run."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kernels.packed import rows_of
from language.pretrained import saved
from segue.backbones._language import CausalLm, living
from segue.core.batches import Rows
from segue.layers.decoder_stack import Packed, Padded, with_ahead

KINDS = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gpt2")
LENGTHS = (2, 3, 3, 7)
TOKENS = torch.arange(40) * 37 % 290 + 5


def trunk(folder: Path, kind: str, *, packed: bool = True, **settings: Any) -> CausalLm:
    """All weights are learnt."""
    made = living(
        saved(folder, kind, **settings),
        lora=None, precision="float32", bits=None, gradient_checkpointing=False, length=60,
    )  # fmt: skip
    if not packed:
        made._stack = Padded()
        made.lm.set_attn_implementation("sdpa")
    assert isinstance(made._stack, Packed if packed else Padded)
    return made.eval()


def alone(folder: Path, tokens: Tensor, rows: Rows, ahead: int) -> tuple[list[Tensor], Any]:
    """The states of each row with the text ahead before it, by transformers from token ids; and its model."""
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    states = []
    for first, stop in zip(rows.offsets[:-1].tolist(), rows.offsets[1:].tolist(), strict=True):
        ids = torch.cat([tokens[:ahead], tokens[ahead + first : ahead + stop]])
        states.append(model.get_decoder()(input_ids=ids[None], use_cache=False).last_hidden_state[0])
    return states, model


@pytest.mark.parametrize("ahead", [0, 5])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_states_and_gradients_are_those_of_each_row_alone(kind: str, packed: bool, ahead: int, tmp_path: Path) -> None:
    ours, rows = trunk(tmp_path, kind, packed=packed), rows_of(LENGTHS)
    tokens = TOKENS[: ahead + sum(LENGTHS)]
    states = ours.states(ours.embedded(tokens), rows, ahead)
    wanted, theirs = alone(tmp_path, tokens, rows, ahead)
    assert (states - torch.cat([wanted[0][:ahead], *(row[ahead:] for row in wanted)])).abs().max() < 1e-5
    weights = torch.linspace(-1, 1, rows_of(LENGTHS).offsets[-1] * ours.width).view(-1, ours.width)
    (states[ahead:] * weights).sum().backward()
    (torch.cat([row[ahead:] for row in wanted]) * weights).sum().backward()
    known = dict(theirs.named_parameters())
    for name, parameter in ours.lm.named_parameters():
        if known[name].grad is not None:
            torch.testing.assert_close(parameter.grad, known[name].grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("ahead", [0, 4])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2"])
def test_reading_and_writing_on_is_one_pass_over_everything(
    kind: str, packed: bool, ahead: int, tmp_path: Path
) -> None:
    ours, rows = trunk(tmp_path, kind, packed=packed), rows_of(LENGTHS)
    tokens = TOKENS[: ahead + sum(LENGTHS)]
    added = (torch.arange(4 * 3 * 4) * 13 % 280 + 7).view(4, 3, 4)  # users prefixes steps
    parents = torch.tensor([[2, 0, 0], [1, 1, 2], [0, 1, 2], [2, 2, 2]])
    with torch.no_grad():
        memory = ours.read(ours.embedded(tokens), rows, ahead)
        first, written = ours.write(memory, ours.embedded(added[:, :, :0]), None)
        assert first.shape[2] == 1
        parts = [first]
        for steps in (slice(0, 1), slice(1, 2), slice(2, 4)):  # two of the steps at once in the end
            if steps.start == 2:
                written = written.take(parents)
            states, written = ours.write(memory, ours.embedded(added[:, :, steps]), written)
            parts.append(states)
        begun, _ = ours.write(memory, ours.embedded(added[:, :, :2]), None)
    torch.testing.assert_close(begun, torch.cat(parts[:3], dim=2), atol=1e-5, rtol=1e-4)
    whole, places = with_ahead(rows, ahead)
    assert torch.equal(memory.rows.offsets, whole.offsets)
    for user in range(4):
        context = tokens[places[int(whole.offsets[user]) : int(whole.offsets[user + 1])]]
        for prefix in range(3):
            text = torch.cat([context, added[user, parents[user, prefix], :2], added[user, prefix, 2:]])
            (wanted,), _ = alone(tmp_path, text, rows_of((len(text),)), 0)
            found = torch.cat([parts[3][user, prefix]])
            torch.testing.assert_close(found, wanted[-2:], atol=1e-5, rtol=1e-4)
    assert memory.first is not None
    torch.testing.assert_close(first[:, 0, 0], memory.first)


@pytest.mark.parametrize("ahead", [0, 5])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_under_autocast_it_learns_and_writes_in_bfloat16(kind: str, ahead: int, tmp_path: Path) -> None:
    ours, rows, tokens = trunk(tmp_path, kind), rows_of(LENGTHS), TOKENS[: ahead + sum(LENGTHS)]
    weights = torch.linspace(-1, 1, sum(LENGTHS) * ours.width).view(-1, ours.width)
    slopes, found = [], []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            states = ours.states(ours.embedded(tokens), rows, ahead)
            with torch.no_grad():
                memory = ours.read(ours.embedded(tokens), rows, ahead)
                newest, _ = ours.write(memory, ours.embedded(torch.ones(4, 2, 3, dtype=torch.int64)), None)
        ours.zero_grad()
        (states[ahead:].float() * weights).sum().backward()
        slopes.append(torch.cat([part.grad.flatten() for part in ours.parameters() if part.grad is not None]))
        found.append(torch.cat([states.detach().flatten(), newest.flatten()]).float())
    assert memory.layers[0][0].dtype == torch.bfloat16
    for one, other in (slopes, found):
        assert 0 < (one - other).norm() < 0.05 * one.norm()


def test_a_memory_can_be_cut_behind_the_preamble(tmp_path: Path) -> None:
    ours, rows = trunk(tmp_path, "llama"), rows_of((3, 5))
    with torch.no_grad():
        vectors = ours.embedded(TOKENS[:12])
        memory = ours.read(vectors, rows, 4).cut(torch.tensor([1, 0]), torch.tensor([4 + 2, 4 + 3]))
        states = ours.states(vectors, rows, 4)
    assert memory.first is not None
    torch.testing.assert_close(memory.first, states[[4 + 3 + 1, 4 + 2]])


def test_the_padded_stack_reads_a_text_behind_which_there_is_nothing(tmp_path: Path) -> None:
    ours = trunk(tmp_path, "llama", packed=False)
    with torch.no_grad():
        found = ours.states(ours.embedded(TOKENS[:4]), rows_of(()), 4)
        wanted = ours.states(ours.embedded(TOKENS[:4]), rows_of((4,)))
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("mistral", {"sliding_window": 8}),
        ("gpt_oss", {"head_dim": 8, "num_local_experts": 2, "num_experts_per_tok": 1}),  # attention sinks
        ("bloom", {"n_head": 4}),  # no attention interface
    ],
)
def test_what_our_attention_cannot_do_is_padded(kind: str, settings: dict[str, Any], tmp_path: Path) -> None:
    ours = living(
        saved(tmp_path, kind, **settings),
        lora=None, precision="float32", bits=None, gradient_checkpointing=False, length=60,
    )  # fmt: skip
    assert isinstance(ours._stack, Padded)
    rows = rows_of((9, 14))
    with torch.no_grad():
        states = ours.states(ours.embedded(TOKENS[:28]), rows, 5)
        memory = ours.read(ours.embedded(TOKENS[:27]), rows_of((9, 13)), 5)
        newest, _ = ours.write(memory, ours.embedded(TOKENS[27].view(1, 1, 1).expand(2, 1, 1)), None)
        wanted, _ = alone(tmp_path, TOKENS[:28], rows, 5)
    torch.testing.assert_close(states, torch.cat([wanted[0], wanted[1][5:]]), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(newest[1, 0], wanted[1][-2:], atol=1e-5, rtol=1e-4)


def test_heads_of_a_group_share_its_keys(tmp_path: Path) -> None:
    ours = trunk(tmp_path, "llama")
    with torch.no_grad():
        memory = ours.read(ours.embedded(TOKENS[:6]), rows_of((2, 4)))
    assert memory.layers[0][0].shape == (6, 2, 8)  # two groups, though there are four heads
