"""What it takes to train a language model and to ask it, known from its config alone: parameters, memory, work, time.

Everything is arithmetic on shapes; nothing is downloaded but the config. Times are the work divided by a share of what
the device could do at best, so they are right within a factor of two and not better.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from pydantic import BaseModel, NonNegativeInt, PositiveInt, model_validator
from torch import nn

from segue.core.errors import DataError, SettingsError
from segue.core.extras import require
from segue.core.part import Part
from segue.language.checkpoint import located


class Device(NamedTuple):
    """What a device can do at best."""

    rate: float
    """Floating-point operations a second in matrix products of bfloat16."""
    slow: float
    """The same of float32."""
    bandwidth: float
    """Bytes a second out of its memory."""
    memory: float
    """Bytes; 0 where it is not known."""


DEVICES = {
    "h200": Device(989e12, 67e12, 4.8e12, 141e9),
    "h100": Device(989e12, 67e12, 3.35e12, 80e9),
    "a100": Device(312e12, 19.5e12, 2.0e12, 80e9),
    "4090": Device(165e12, 82e12, 1.0e12, 24e9),
}
"""As the makers' data sheets say, without sparsity; memory as sold."""
REACHED = 0.4
"""The share of a device's best rate that training usually reaches."""
HEADROOM = 1.1
"""What is counted, times this, is what a process needs: buffers of the libraries, and memory lost between tensors."""


class Plan(Part):
    """What is to be done with the language model; the defaults are SOFT's (arXiv:2505.20771)."""

    samples: PositiveInt = 4096
    """Prompts of an epoch."""
    epochs: PositiveInt = 7
    """Passes over them."""
    tokens: PositiveInt = 150
    """Tokens of a prompt with its response; a preamble that all prompts share is read once a batch and is left out."""
    response: PositiveInt = 20
    """How many of these are of the response."""
    batch: PositiveInt = 8
    """Prompts computed at once."""
    rank: NonNegativeInt = 8
    """Of the adapters; 0 for none, which learns all weights."""
    targets: tuple[str, ...] = ("q_proj", "v_proj")
    """The layers that get adapters."""
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    """Of frozen weights and of matrix products; weights that learn are float32."""
    bits: Literal[4, 8] | None = None
    """Frozen weights of the layers rounded to so many bits."""
    gradient_checkpointing: bool = False
    """Compute each layer again in the backward pass."""
    asked: PositiveInt = 1000
    """Users that are asked for afterwards."""
    together: PositiveInt = 16
    """Users that are asked for at once."""
    beams: PositiveInt = 4
    """Beams of each."""
    items: PositiveInt = 10_000
    """Titles of the catalogue."""

    @model_validator(mode="after")
    def _fits(self) -> Plan:
        if self.response > self.tokens:
            raise ValueError(f"a response of {self.response} tokens is at most the {self.tokens} tokens of its prompt")
        return self


class Shape(BaseModel):
    """What a config says of a model."""

    name: str
    family: str
    parameters: int
    """All of them, shared ones once."""
    body: int
    """Those of the layers' matrices: each is multiplied with once a token."""
    vocabulary: int
    width: int
    inner: int
    """Width of the feed-forward layers."""
    depth: int
    queries: int
    """Coordinates of a token's queries, all heads together."""
    keys: int
    """Coordinates of a token's keys; its values have as many."""
    context: int
    layers: dict[str, tuple[int, int, int]]
    """For each name of a matrix: how many there are, what enters, what leaves (summed over them)."""

    @property
    def head(self) -> int:
        """Parameters that the logits of a token are a product with."""
        return self.vocabulary * self.width

    def adapters(self, plan: Plan) -> int:
        """Parameters of the adapters.

        Raises:
            SettingsError: the model has no such layers.
        """
        missing = [name for name in plan.targets if name not in self.layers]
        if missing:
            raise SettingsError(f"targets: {self.name} has no layer '{missing[0]}'; it has {', '.join(self.layers)}.")
        return plan.rank * sum(sum(self.layers[name][1:]) for name in plan.targets)


class Line(BaseModel):
    """One number of an estimate."""

    part: Literal["size", "memory in training", "memory in use", "work", "time"]
    name: str
    amount: float
    unit: Literal["", "bytes", "operations", "seconds"]
    how: str
    """How it comes about."""


class Estimate(BaseModel):
    """All numbers of an estimate, in the order in which they are told."""

    checkpoint: str
    device: str
    plan: dict[str, Any]
    lines: list[Line]

    def __getitem__(self, name: str) -> float:
        """The number of this name."""
        return next(line.amount for line in self.lines if line.name == name)


def shape_of(checkpoint: str) -> Shape:
    """The shape of a checkpoint, from its config: a folder, or a name on the hub.

    The model is built without storage for its weights, so the counts are those of the real one.

    Raises:
        DataError: there is no config, or it is of no causal language model.
        MissingExtra: transformers is not installed.
    """
    transformers = require("transformers", extra="llm")
    where = located(checkpoint)
    try:
        config = transformers.AutoConfig.from_pretrained(where)
        with torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(config)
            model.tie_weights()
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError) as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise DataError(
            f"the config of '{checkpoint}' could not be read as that of a causal language model ({reason}). Give a "
            "folder with a config.json, or a name on the Hugging Face hub that can be reached from here (no weights "
            "are needed); a gated one needs `hf auth login`."
        ) from error
    text = config.get_text_config(decoder=True)
    head = model.get_output_embeddings()
    matrices = {
        name: module
        for name, module in model.named_modules()
        if module is not head and not isinstance(module, nn.Embedding) and getattr(_weight(module), "ndim", 0) >= 2
    }
    layers: dict[str, tuple[int, int, int]] = {}
    for path, module in matrices.items():
        name, sides = path.rsplit(".", 1)[-1], _weight(module).shape[-2:]
        into, out = sides[::-1] if isinstance(module, nn.Linear) else sides  # GPT-2 keeps its matrices the other way
        count, entering, leaving = layers.get(name, (0, 0, 0))
        layers[name] = (count + 1, entering + into, leaving + out)
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return Shape(
        name=checkpoint,
        family=text.model_type,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        body=sum(_weight(module).numel() for module in matrices.values()),
        vocabulary=head.weight.shape[0],
        width=text.hidden_size,
        inner=getattr(text, "intermediate_size", None) or 4 * text.hidden_size,
        depth=text.num_hidden_layers,
        queries=size * text.num_attention_heads,
        keys=size * (getattr(text, "num_key_value_heads", None) or text.num_attention_heads),
        context=getattr(text, "max_position_embeddings", None) or 0,
        layers=layers,
    )


def estimate(checkpoint: str, plan: Plan, device: str = "h200") -> Estimate:
    """What the plan takes with this checkpoint on this device: a name of `DEVICES`, or `here` for this machine's CPU.

    Raises:
        DataError: the checkpoint has no config that can be read.
        SettingsError: the device is not known, or there are no such layers to adapt.
    """
    if device != "here" and device not in DEVICES:
        raise SettingsError(f"the device '{device}' is not known; choose one of: {', '.join(DEVICES)}, here.")
    shape = shape_of(checkpoint)
    best = measured() if device == "here" else DEVICES[device]
    lines = [*_sizes(shape, plan), *_training(shape, plan, best, device), *_use(shape, plan)]
    work = _work(shape, plan)
    lines += [*work, *_times(shape, plan, {line.name: line.amount for line in work}, best, device)]
    return Estimate(checkpoint=checkpoint, device=device, plan=plan.dump(), lines=lines)


def measured(size: int = 512, seconds: float = 0.3) -> Device:
    """This machine's CPU, by products of float32 matrices and by copies for about this long each."""
    one, copy, other = torch.ones(size, size), torch.ones(1 << 24), torch.ones(1 << 24)
    products = _a_second(lambda: one @ one, seconds)
    copies = _a_second(lambda: copy.copy_(other), seconds)
    rate = 2.0 * size**3 * products
    return Device(rate, rate, 2.0 * copy.nbytes * copies, 0.0)


def activations(shape: Shape, plan: Plan) -> float:
    """Bytes a token that one layer keeps for its backward pass.

    What autograd keeps in a layer of the Llama kind: the input of both norms in float32; queries, keys, values and what
    attention gives; of the gated feed-forward both halves and the activated one. Adapters keep their input in float32,
    with a mask. Where all weights learn, the input of each matrix and what the norms scale are kept too.
    """
    small = 2 if plan.precision == "bfloat16" else 4
    norms = 2 * 4 * shape.width
    attention = small * (2 * shape.queries + 2 * shape.keys)
    gated = small * 3 * shape.inner
    if plan.rank:
        entering = sum(shape.layers[name][1] for name in plan.targets) / shape.depth
        return norms + attention + gated + entering * (4 + 4)
    return norms + attention + gated + small * (4 * shape.width + shape.inner)


def _sizes(shape: Shape, plan: Plan) -> list[Line]:
    learning = shape.adapters(plan) if plan.rank else shape.parameters
    how = (
        f"rank {plan.rank} x (in + out) of {', '.join(plan.targets)} in {shape.depth} layers"
        if plan.rank
        else "all of them, without adapters"
    )
    built = f"{shape.family}, {shape.depth} layers of width {shape.width}; built from the config without storage"
    return [_line("size", "parameters", shape.parameters, "", built), _line("size", "learnt", learning, "", how)]


def _training(shape: Shape, plan: Plan, best: Device, device: str) -> list[Line]:
    part: Any = "memory in training"
    learning = shape.adapters(plan) if plan.rank else shape.parameters
    weights, how = _weights(shape, plan)
    tokens = plan.batch * plan.tokens
    layer = activations(shape, plan)
    kept, told = layer * shape.depth * tokens, f"{layer / 1e3:,.0f} kB a token and layer, {tokens:,} tokens packed"
    entering = (2 if plan.precision == "bfloat16" else 4) * shape.width
    again = (entering * shape.depth + layer) * tokens
    used = again if plan.gradient_checkpointing else kept
    lines = [
        _line(part, "weights", weights, "bytes", how),
        _line(part, "gradients", 4 * learning, "bytes", "4 bytes for each that is learnt"),
        _line(part, "optimiser", 8 * learning, "bytes", "two means of AdamW in float32 for each that is learnt"),
        _line(part, "activations", kept, "bytes", f"without checkpointing: {told}"),
        _line(part, "activations, checkpointed", again, "bytes",
              "what enters each layer, and everything of one layer"),
    ]  # fmt: skip
    total = HEADROOM * (weights + 12 * learning + used)
    chosen = "checkpointed" if plan.gradient_checkpointing else "not checkpointed"
    how = f"all of these ({chosen}), and a tenth more"
    if best.memory and total > best.memory:
        how += (
            f". That is more than one {device} has ({best.memory / 1e9:.0f} GB): take fewer prompts at once, "
            "gradient checkpointing, or frozen weights of 4 bits"
        )
    return [*lines, _line(part, "training", total, "bytes", how)]


def _use(shape: Shape, plan: Plan) -> list[Line]:
    part: Any = "memory in use"
    small = 2 if plan.precision == "bfloat16" else 4
    token = 2 * shape.keys * shape.depth * small
    prompt = plan.tokens - plan.response
    kept = plan.together * (prompt + plan.beams * plan.response) * token
    weights, _ = _weights(shape, plan)
    places = 4 * plan.items * shape.width
    return [
        _line(part, "keys and values", kept, "bytes",
              f"{token / 1e3:,.0f} kB a token; {plan.together} users, each a prompt of {prompt} read once and "
              f"{plan.beams} beams of {plan.response}"),
        _line(part, "places of titles", places, "bytes", f"{plan.items:,} titles x {shape.width} x 4 bytes"),
        _line(part, "asking", HEADROOM * (weights + kept + places), "bytes", "weights and both, and a tenth more"),
    ]  # fmt: skip


def _weights(shape: Shape, plan: Plan) -> tuple[float, str]:
    if not plan.rank:
        return 8.0 * shape.parameters, "float32, and a frozen copy of what was loaded, which places the titles"
    small = 2 if plan.precision == "bfloat16" else 4
    adapters = 4 * shape.adapters(plan)
    if plan.bits is None:
        return float(small * shape.parameters + adapters), f"{plan.precision}; adapters in float32"
    rounded = shape.body * (plan.bits + 0.5) / 8
    rest = small * (shape.parameters - shape.body) + adapters
    return rounded + rest, f"{plan.bits} bits a weight and half a bit for its scale; token table in {plan.precision}"


def _work(shape: Shape, plan: Plan) -> list[Line]:
    part: Any = "work"
    heads = 2 * shape.head * plan.response / plan.tokens
    looking = 4 * shape.queries * shape.depth
    forward = 2 * shape.body + looking * plan.tokens / 2
    if plan.rank:
        learnt = 6 * shape.adapters(plan)
        training = 4 * shape.body + 3 * looking * plan.tokens / 2 + 2 * heads + learnt
        how = "4 a weight (no gradients of frozen ones), 6 of adapters, attention thrice; logits of responses only"
    else:
        training = 3 * (forward + heads)
        how = "6 a weight, attention thrice; logits of responses only"
    if plan.gradient_checkpointing:
        training, how = training + forward, how + "; layers once more"
    writing = 2 * (shape.body + shape.head) + looking * plan.tokens
    return [
        _line(part, "reading a token", forward, "operations", "2 a weight, and attention over half a prompt"),
        _line(part, "training on a token", training, "operations", how),
        _line(part, "writing a token", writing, "operations", "2 a weight with the logits, attention over the prompt"),
    ]


def _times(shape: Shape, plan: Plan, work: dict[str, float], best: Device, device: str) -> list[Line]:
    part: Any = "time"
    most = best.rate if plan.precision == "bfloat16" else best.slow
    rate = REACHED * most
    epoch = plan.samples * plan.tokens * work["training on a token"] / rate
    per = f"{plan.samples:,} x {plan.tokens} tokens at {REACHED:.0%} of {most / 1e12:,.3g} TFLOP a second"
    prompts = plan.asked * (plan.tokens - plan.response) * work["reading a token"] / rate
    written = plan.asked * plan.beams * plan.response
    weights, _ = _weights(shape, plan)
    rounds = -(-plan.asked // plan.together) * plan.response
    slowest = max(written * work["writing a token"] / rate, rounds * weights / best.bandwidth)
    places = plan.items * plan.response * work["reading a token"] / rate
    return [
        _line(part, "an epoch", epoch, "seconds", f"{per} ({device})"),
        _line(part, "all epochs", plan.epochs * epoch, "seconds", f"{plan.epochs} of them, without validation"),
        _line(part, "asking for all", prompts + slowest, "seconds",
              f"{plan.asked:,} prompts read and {written:,} tokens written; each step reads all weights once, "
              f"{best.bandwidth / 1e9:,.0f} GB a second"),
        _line(part, "placing the titles", places, "seconds", f"{plan.items:,} x {plan.response} tokens read, once"),
    ]  # fmt: skip


def _line(part: Any, name: str, amount: float, unit: Any, how: str) -> Line:
    return Line(part=part, name=name, amount=float(amount), unit=unit, how=how)


def _weight(module: nn.Module) -> Any:
    """A matrix that belongs to this very module, or None."""
    return dict(module.named_parameters(recurse=False)).get("weight")


def _a_second(once: Callable[[], Any], seconds: float) -> float:
    """How often a second this can be done."""
    once()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        once()
        done += 1
    return done / (time.perf_counter() - began)
