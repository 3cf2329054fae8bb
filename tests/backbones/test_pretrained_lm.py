"""A pretrained language model as a trunk: adapters alone are learnt, and what was loaded stays to be asked."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch import Tensor

from kernels.packed import rows_of
from language.pretrained import LLAMA, saved, tokenizer
from segue.backbones._language import CausalLm
from segue.backbones.pretrained_lm import PretrainedLm
from segue.core.errors import DataError, SettingsError
from segue.core.recipe import initialising
from segue.core.text_forms import LanguageBackbone
from segue.layers.adapters import Lora
from segue.layers.dropout import Dropout

TOKENS = torch.arange(12) * 37 % 290 + 5
ROWS = rows_of((3, 4))


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved(tmp_path_factory.mktemp("checkpoint"), "llama")


def loaded(checkpoint: str, **settings: Any) -> CausalLm:
    with initialising(0):
        made = PretrainedLm(checkpoint=checkpoint, **settings).load(checkpoint)
    assert isinstance(made, CausalLm)
    return made


def states(trunk: CausalLm) -> Tensor:
    return trunk.states(trunk.embedded(TOKENS), ROWS, 5)


def loss(trunk: CausalLm) -> Tensor:
    found = states(trunk)
    return (found * torch.linspace(-1, 1, found.numel()).view(found.shape)).mean()


def stepped(trunk: CausalLm) -> dict[str, Tensor]:
    """The weights before one step of an optimiser."""
    before = {name: parameter.detach().clone() for name, parameter in trunk.named_parameters()}
    learnt = [parameter for parameter in trunk.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(learnt, lr=1.0)
    trunk.train()
    for _ in range(2):  # A has no gradient as long as B is zero
        loss(trunk).backward()
        optimiser.step()
    trunk.eval()
    return before


def test_fresh_adapters_change_nothing(llama: str) -> None:
    with torch.no_grad():
        plain = states(loaded(llama, lora=None))
        assert torch.equal(states(loaded(llama)), plain)


def test_a_step_changes_the_adapters_and_nothing_else(llama: str) -> None:
    trunk = loaded(llama)
    before = stepped(trunk)
    changed = {name for name, parameter in trunk.named_parameters() if not torch.equal(before[name], parameter)}
    assert changed == {name for name in before if "lora_" in name}
    assert changed == {name for name, parameter in trunk.named_parameters() if parameter.requires_grad}
    assert len(changed) == 2 * 2 * 2  # A and B of two targets in two layers


@pytest.mark.parametrize("lora", [Lora(), None])
def test_the_frozen_trunk_is_the_one_that_was_loaded(llama: str, lora: Lora | None) -> None:
    trunk = loaded(llama, lora=lora)
    with trunk.frozen():
        before = states(trunk), trunk.vocabulary().clone()
    stepped(trunk)
    trunk.train()
    learnt = {name for name, parameter in trunk.named_parameters() if parameter.requires_grad}
    with trunk.frozen(), trunk.frozen():
        frozen = states(trunk), trunk.vocabulary()
    assert not frozen[0].requires_grad
    assert torch.equal(frozen[0], before[0])
    assert torch.equal(frozen[1], before[1])
    assert trunk.training
    trunk.eval()
    assert not torch.allclose(states(trunk), before[0], atol=1e-3)
    assert learnt == {name for name, parameter in trunk.named_parameters() if parameter.requires_grad}


def test_without_adapters_all_weights_are_learnt_and_kept_once(llama: str) -> None:
    trunk = loaded(llama, lora=None)
    before = stepped(trunk)
    assert all(not torch.equal(before[name], parameter) for name, parameter in trunk.named_parameters()
               if "lm_head" not in name)  # fmt: skip  # the states do not know the head
    assert len(trunk.state_dict()) == len(trunk.lm.state_dict())


def test_the_same_seed_gives_the_same_adapters(llama: str) -> None:
    one, other = loaded(llama).state_dict(), loaded(llama).state_dict()
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_dropout_draws_from_the_generator_it_is_given(tmp_path: Path) -> None:
    checkpoint = saved(tmp_path, "gpt2")  # with dropout of its own
    trunk = loaded(checkpoint, lora=Lora(targets=("c_attn",), dropout=0.5)).train()
    assert not [module for module in trunk.modules() if type(module) is torch.nn.Dropout]
    for name, parameter in trunk.named_parameters():
        if "lora_B" in name:
            torch.nn.init.ones_(parameter)

    def drawn(seed: int) -> Tensor:
        rng = torch.Generator().manual_seed(seed)
        for module in trunk.modules():
            if isinstance(module, Dropout):
                module.rng = rng
        return states(trunk)

    with torch.no_grad():
        torch.manual_seed(5)
        state = torch.get_rng_state()
        first = drawn(0)
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.equal(drawn(0), first)
        assert not torch.equal(drawn(1), first)


@pytest.mark.parametrize("lora", [Lora(dropout=0.5), None])
def test_recomputing_gives_the_same_gradients_with_the_same_draws(tmp_path: Path, lora: Lora | None) -> None:
    checkpoint = saved(tmp_path, "llama")
    found = []
    for recomputed in (False, True):
        trunk = loaded(checkpoint, lora=lora, gradient_checkpointing=recomputed).train()
        rng = torch.Generator().manual_seed(3)
        for module in trunk.modules():
            if isinstance(module, Dropout):
                module.rng = rng
        for name, parameter in trunk.named_parameters():
            if "lora_B" in name:
                torch.nn.init.constant_(parameter, 0.1)
        states(trunk).square().sum().backward()
        found.append([parameter.grad for parameter in trunk.parameters() if parameter.grad is not None])
        found.append([rng.get_state()])
    for one, other in zip(found[0] + found[1], found[2] + found[3], strict=True):
        assert torch.equal(one, other)


def test_recomputing_keeps_less(llama: str) -> None:
    def kept(trunk: CausalLm) -> int:
        total = 0

        def count(tensor: Tensor) -> Tensor:
            nonlocal total
            total += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            states(trunk.train())
        return total

    assert kept(loaded(llama, gradient_checkpointing=True)) < 0.5 * kept(loaded(llama))


def test_texts_become_tokens_and_come_back(llama: str) -> None:
    trunk, texts = loaded(llama), pl.Series(["Alien", "", "Heat (1999) é 日本"])
    tokens, bounds = trunk.numbers(texts)
    assert bounds.tolist()[:3] == [0, len(trunk.numbers(texts[:1])[0]), len(trunk.numbers(texts[:1])[0])]
    assert trunk.words(tokens, bounds).to_list() == texts.to_list()
    nothing = pl.Series([], dtype=pl.String)
    assert trunk.words(*trunk.numbers(nothing)).to_list() == []


def test_the_end_is_no_word(llama: str) -> None:
    trunk = loaded(llama)
    tokens, _ = trunk.numbers(pl.Series(["Alien"]))
    ended = [*trunk.begin, *tokens, trunk.end]
    assert trunk.words(torch.tensor(ended).numpy(), torch.tensor([0, len(ended)]).numpy()).to_list() == ["Alien"]


def test_what_a_text_begins_with_is_what_the_tokenizer_adds(llama: str, tmp_path: Path) -> None:
    assert (loaded(llama).begin, loaded(llama).end) == ((0,), 1)
    other = saved(tmp_path, "llama")
    tokenizer(begins=False).save_pretrained(tmp_path)
    assert loaded(other).begin == ()


def test_the_context_is_the_smaller_of_ours_and_the_checkpoints(llama: str) -> None:
    assert loaded(llama, length=9).context == 9
    assert loaded(llama, length=10_000).context == LLAMA["max_position_embeddings"]


def test_states_times_the_vocabulary_are_the_logits(llama: str) -> None:
    import transformers

    trunk = loaded(llama)
    with torch.no_grad():
        wanted = transformers.AutoModelForCausalLM.from_pretrained(llama)(input_ids=TOKENS[None]).logits[0]
        found = trunk.states(trunk.embedded(TOKENS), rows_of((len(TOKENS),))) @ trunk.vocabulary().T
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_a_wrong_target_names_the_right_ones(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no layer named 'q_proj'; it has c_attn, c_fc, c_proj. Choose"):
        loaded(saved(tmp_path, "gpt2"))


@pytest.mark.parametrize(
    ("kind", "settings", "reason"),
    [
        ("bert", {}, "it cannot be given rows"),
        ("granite", {"logits_scaling": 8.0}, "its head is more than a product with the vocabulary"),
        ("gemma2", {"head_dim": 8}, "its head is more than a product with the vocabulary"),
    ],
)
def test_an_architecture_that_cannot_be_run_says_why(
    kind: str, settings: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=rf"\({kind}\) is of an architecture that Segue cannot run: {reason}"):
        loaded(saved(tmp_path, kind, **settings))


def test_rounded_weights_cannot_be_learnt(llama: str) -> None:
    with pytest.raises(SettingsError, match=r"keep backbone\.lora"):
        loaded(llama, lora=None, bits=4)


def test_bfloat16_weights_have_adapters_in_float32(llama: str) -> None:
    trunk = loaded(llama, precision="bfloat16")
    kinds = {("lora_" in name, parameter.dtype) for name, parameter in trunk.named_parameters()}
    assert kinds == {(True, torch.float32), (False, torch.bfloat16)}
    with torch.no_grad():
        wanted = states(loaded(llama))
        assert (states(trunk).float() - wanted).norm() < 0.05 * wanted.norm()


def test_a_run_finds_its_checkpoint_again(llama: str) -> None:
    part = PretrainedLm(checkpoint=llama)
    assert part.found(part.kept(llama)) == llama
    with pytest.raises(DataError, match="Did you mean"):
        PretrainedLm(checkpoint=llama + "x").kept(llama + "x")


def test_the_settings_reach_the_trunk(llama: str) -> None:
    part = LanguageBackbone.parse({"kind": "pretrained_lm", "checkpoint": llama, "lora": {"rank": 2}})
    assert isinstance(part, PretrainedLm)
    trunk = part.load(llama)
    assert {len(parameter) for name, parameter in trunk.named_parameters() if "lora_A" in name} == {2}
    assert part.changed({"lora": None}).dump()["lora"] is None


def test_the_default_adapters_are_those_of_the_papers() -> None:
    assert (Lora().rank, Lora().alpha, Lora().dropout, Lora().targets) == (8, 16.0, 0.05, ("q_proj", "v_proj"))
