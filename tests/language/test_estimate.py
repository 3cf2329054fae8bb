"""Estimates held against what torch counts and keeps, on small models of the families that people use."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from segue.core.errors import DataError, SettingsError
from segue.language.estimate import DEVICES, Device, Plan, Shape, activations, estimate, measured, shape_of

transformers = pytest.importorskip("transformers")
SIZES = {
    "vocab_size": 500, "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 256,
}  # fmt: skip
FULL = Plan(rank=0, precision="float32", tokens=128, response=128, batch=4)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Configs alone: an estimate needs no weights."""
    root = tmp_path_factory.mktemp("configs")
    for family in ("Llama", "Qwen2", "Qwen3"):
        config = getattr(transformers, f"{family}Config")(**SIZES, head_dim=16, tie_word_embeddings=family != "Qwen2")
        config.save_pretrained(root / family)
    transformers.GPT2Config(
        vocab_size=500, n_embd=64, n_layer=3, n_head=4, n_positions=256, bos_token_id=0, eos_token_id=0
    ).save_pretrained(root / "GPT2")
    return {path.name: path for path in root.iterdir()}


def living(folder: Path) -> torch.nn.Module:
    return transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.from_pretrained(folder))


@pytest.mark.parametrize("family", ["Llama", "Qwen2", "Qwen3", "GPT2"])
def test_parameters_are_counted_as_torch_counts_them(family: str, folders: dict[str, Path]) -> None:
    found = estimate(str(folders[family]), FULL)
    assert found["parameters"] == found["learnt"] == sum(one.numel() for one in living(folders[family]).parameters())


def test_the_shape_of_a_llama_by_hand(folders: dict[str, Path]) -> None:
    shape = shape_of(str(folders["Llama"]))
    layer = 64 * 64 + 2 * 64 * 32 + 64 * 64 + 3 * 64 * 160
    assert (shape.body, shape.head) == (3 * layer, 500 * 64)
    assert shape.parameters == 3 * layer + 500 * 64 + 3 * 2 * 64 + 64, "the table once, two norms a layer, one behind"
    assert (shape.queries, shape.keys, shape.inner, shape.depth, shape.context) == (64, 32, 160, 3, 256)
    assert shape.layers["v_proj"] == (3, 3 * 64, 3 * 32)
    assert shape_of(str(folders["Qwen2"])).parameters - shape.parameters == 500 * 64 + 3 * (64 + 32 + 32)


def test_adapters_are_counted_as_peft_makes_them(folders: dict[str, Path]) -> None:
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(living(folders["Qwen3"]), peft.LoraConfig(r=4, target_modules=["q_proj", "down_proj"]))
    plan = Plan(rank=4, targets=("q_proj", "down_proj"))
    assert estimate(str(folders["Qwen3"]), plan)["learnt"] == model.get_nb_trainable_parameters()[0]


def counted(model: torch.nn.Module, tokens: int, *, backward: bool) -> float:
    """Operations a token that torch counts, of the layers and of all logits; attention as a whole square."""
    rows = torch.randint(500, (4, tokens))
    with FlopCounterMode(display=False) as counter:
        logits = model(input_ids=rows, use_cache=False).logits
        if backward:
            torch.autograd.backward(logits.sum())
    return counter.get_total_flops() / rows.numel()


@pytest.mark.parametrize("family", ["Llama", "Qwen3", "GPT2"])
def test_the_work_is_what_torch_counts(family: str, folders: dict[str, Path]) -> None:
    shape, found = shape_of(str(folders[family])), estimate(str(folders[family]), FULL)
    model = living(folders[family])
    model.set_attn_implementation("eager")
    above = 4 * shape.queries * shape.depth * 128 / 2  # we count the half of attention's square that is looked at
    forward = found["reading a token"] + 2 * shape.head
    assert counted(model, 128, backward=False) == pytest.approx(forward + above, rel=0.01)
    training = found["training on a token"]
    assert counted(model, 128, backward=True) == pytest.approx(training + 3 * above, rel=0.01)
    again = estimate(str(folders[family]), FULL.changed({"gradient_checkpointing": True}))
    assert again["training on a token"] == pytest.approx(training + found["reading a token"])


def test_the_work_with_adapters_is_what_torch_counts(folders: dict[str, Path]) -> None:
    peft = pytest.importorskip("peft")
    model = living(folders["Llama"])
    model.set_attn_implementation("eager")
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=8, target_modules=["q_proj", "v_proj"]))
    shape, found = shape_of(str(folders["Llama"])), estimate(str(folders["Llama"]), FULL.changed({"rank": 8}))
    above = 3 * 4 * shape.queries * shape.depth * 128 / 2
    # what enters the first layer needs no gradient, which an estimate for many layers leaves out
    counts = counted(adapted, 128, backward=True)
    assert counts == pytest.approx(found["training on a token"] + above, rel=0.06)
    assert counts <= found["training on a token"] + above


def saved(model: torch.nn.Module, rows: torch.Tensor) -> float:
    """Bytes that autograd keeps for the backward pass, those of the weights left out."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        _ = model.get_decoder()(input_ids=rows, use_cache=False).last_hidden_state
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("family", ["Llama", "Qwen3"])
@pytest.mark.parametrize("rank", [0, 8])
def test_activations_are_within_a_factor_of_two_of_what_autograd_keeps(
    family: str, rank: int, folders: dict[str, Path]
) -> None:
    peft = pytest.importorskip("peft")
    model = living(folders[family]).train()
    if rank:
        peft.get_peft_model(model, peft.LoraConfig(r=rank, lora_dropout=0.05, target_modules=["q_proj", "v_proj"]))
    rows = torch.randint(500, (4, 128))
    measured_bytes = saved(model, rows)
    estimated = estimate(str(folders[family]), FULL.changed({"rank": rank}))["activations"]
    assert estimated / 2 < measured_bytes < 2 * estimated


def test_memory_by_hand(folders: dict[str, Path]) -> None:
    folder = str(folders["Llama"])
    shape = shape_of(folder)
    plan = Plan(batch=2, tokens=30, response=10, together=3, beams=4, items=100)
    found = estimate(folder, plan)
    adapters = 3 * 8 * (64 + 64 + 64 + 32)
    assert found["learnt"] == adapters
    assert found["weights"] == 2 * shape.parameters + 4 * adapters
    assert (found["gradients"], found["optimiser"]) == (4 * adapters, 8 * adapters)
    layer = 8 * 64 + 2 * (2 * 64 + 2 * 32) + 2 * 3 * 160 + 8 * (64 + 64)
    assert activations(shape, plan) == layer
    assert found["activations"] == layer * 3 * 60
    assert found["activations, checkpointed"] == (3 * 2 * 64 + layer) * 60
    assert found["training"] == pytest.approx(1.1 * (found["weights"] + 12 * adapters + layer * 3 * 60))
    assert found["keys and values"] == 3 * (20 + 4 * 10) * (2 * 32 * 3 * 2)
    assert found["places of titles"] == 4 * 100 * 64
    rounded = estimate(folder, plan.changed({"bits": 4}))
    assert rounded["weights"] == shape.body * 4.5 / 8 + 2 * (shape.parameters - shape.body) + 4 * adapters
    checkpointed = estimate(folder, plan.changed({"gradient_checkpointing": True}))
    assert checkpointed["training"] < found["training"]


def test_time_by_hand(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DEVICES, "a100", Device(1e9, 1e8, 1e6, 1e6))
    found = estimate(str(folders["Llama"]), Plan(samples=10, epochs=3, tokens=30, response=10), "a100")
    epoch = 10 * 30 * found["training on a token"] / 0.4e9
    assert found["an epoch"] == pytest.approx(epoch)
    assert found["all epochs"] == pytest.approx(3 * epoch)
    reading = 1000 * 20 * found["reading a token"] / 0.4e9
    slow = 63 * 10 * found["weights"] / 1e6  # 63 rounds of 16 users, 10 steps each, held up by the memory
    assert found["asking for all"] == pytest.approx(reading + slow)
    exact = estimate(str(folders["Llama"]), Plan(samples=10, tokens=30, response=10, precision="float32"), "a100")
    assert exact["an epoch"] == pytest.approx(10 * epoch)
    (told,) = [line.how for line in found.lines if line.name == "training"]
    assert "more than one a100 has (0 GB)" in told, "it has a megabyte"


def test_every_number_says_how_it_comes_about(folders: dict[str, Path]) -> None:
    found = estimate(str(folders["Llama"]), Plan())
    assert all(line.how and line.amount > 0 for line in found.lines)
    names = [line.name for line in found.lines]
    assert len(set(names)) == len(names)


def test_this_machine_is_measured() -> None:
    here = measured(size=64, seconds=0.02)
    assert here.rate > 1e8
    assert here.bandwidth > 1e8


def test_what_cannot_be_estimated_says_so(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="device 'h300' is not known; choose one of: h200"):
        estimate(str(folders["Llama"]), Plan(), "h300")
    with pytest.raises(SettingsError, match=r"no layer 'query'; it has q_proj, k_proj"):
        estimate(str(folders["Llama"]), Plan(targets=("query",)))
    with pytest.raises(DataError, match=r"no config\.json"):
        shape_of(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    with pytest.raises(DataError, match="could not be read as that of a causal language model"):
        shape_of(str(tmp_path))
    assert isinstance(shape_of(str(folders["GPT2"])), Shape)
