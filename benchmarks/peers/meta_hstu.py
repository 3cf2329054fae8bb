"""The training step of Meta's HSTU research code at its public ML-1M setting: sequences per second.

Our re-implementation of the published research step; Meta's package is not on the registry. Written from the paper
(arXiv:2402.17152) and the behaviour of meta-recsys/generative-recommenders, config `hstu-sampled-softmax-n128-final`:
float32, eager; linear maps and loss on the real positions only, attention padded to 200 items and 11 output slots;
bias from relative position and time, computed in every layer; 128 negatives drawn and gathered for every position.
Theirs uses fbgemm's jagged operators where we index, and leaves autograd's anomaly detection on: see `--anomaly`.
Times are placeholders (a minute between items), because half of the public copy has none; speed does not depend on
them. A figure from here is never to be quoted as Meta's own.
"""

import statistics
import time
from pathlib import Path

import polars as pl
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.measuring import arguments, begin, read_log, report

HISTORY, SLOTS = 200, 11
LENGTH = HISTORY + SLOTS
BUCKETS = 128
TEMPERATURE, EPSILON, EXCLUDED = 0.05, 1e-6, -5e4


class Layer(nn.Module):
    """One HSTU layer: gated SiLU attention with a bias for relative position and time, no feed-forward block."""

    def __init__(self, width: int, heads: int, head_width: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.head_width, self.dropout = heads, head_width, dropout
        self.parts = nn.Parameter(torch.empty(width, 4 * heads * head_width).normal_(std=0.02))
        self.out = nn.Linear(heads * head_width, width)
        nn.init.xavier_uniform_(self.out.weight)
        self.by_position = nn.Parameter(torch.empty(2 * LENGTH - 1).normal_(std=0.02))
        self.by_time = nn.Parameter(torch.empty(BUCKETS + 1).normal_(std=0.02))
        steps = torch.arange(LENGTH)
        self.register_buffer("offset", steps - steps[:, None] + LENGTH - 1)  # query row, key column
        self.register_buffer("causal", torch.ones(LENGTH, LENGTH).tril())

    def forward(self, rows: Tensor, real: Tensor, times: Tensor) -> Tensor:
        """`rows` holds the real positions only, `real` their places in the flattened batch."""
        inner = self.heads * self.head_width
        mixed = functional.silu(functional.layer_norm(rows, rows.shape[-1:], eps=EPSILON) @ self.parts)
        gate, value, query, key = mixed.split(inner, dim=-1)
        query, key, value = (self.padded(part, real, len(times)) for part in (query, key, value))
        scores = torch.einsum("bnhd,bmhd->bhnm", query, key) + self.bias(times)[:, None]
        weights = functional.silu(scores) / LENGTH * self.causal
        attended = torch.einsum("bhnm,bmhd->bnhd", weights, value).reshape(-1, inner)[real]
        gated = gate * functional.layer_norm(attended, (inner,), eps=EPSILON)
        return rows + self.out(functional.dropout(gated, self.dropout, self.training))

    def padded(self, rows: Tensor, real: Tensor, users: int) -> Tensor:
        """Real positions back in their places, zeros elsewhere: users, length, heads, head width."""
        full = rows.new_zeros(users * LENGTH, rows.shape[-1]).index_copy(0, real, rows)
        return full.view(users, LENGTH, self.heads, self.head_width)

    def bias(self, times: Tensor) -> Tensor:
        """Query i is given the time of item i + 1, the one it has to predict: users, length, length."""
        following = torch.cat([times[:, 1:], times[:, -1:]], dim=1)
        gap = (following[:, :, None] - times[:, None, :]).abs().clamp(min=1)
        bucket = (gap.log() / 0.301).long().clamp(max=BUCKETS)
        by_time = self.by_time.index_select(0, bucket.view(-1)).view(bucket.shape)
        return self.by_position[self.offset] + by_time


class Hstu(nn.Module):
    """Item and position vectors, the layers, and the sampled softmax."""

    def __init__(self, items: int, width: int, layers: int, heads: int, head_width: int, dropout: float) -> None:
        super().__init__()
        self.items = nn.Embedding(items + 1, width, padding_idx=0)
        nn.init.trunc_normal_(self.items.weight, std=0.02)
        self.positions = nn.Parameter(nn.init.trunc_normal_(torch.empty(LENGTH, width), std=width**-0.5))
        self.layers = nn.ModuleList(Layer(width, heads, head_width, dropout) for _ in range(layers))
        self.dropout = dropout

    def loss(self, items: Tensor, times: Tensor, negatives: int) -> Tensor:
        """Mean over the real positions that have a next item."""
        inputs = functional.dropout(
            self.items(items) * self.positions.shape[-1] ** 0.5 + self.positions, self.dropout, self.training
        )
        real = (items.view(-1) > 0).nonzero().squeeze(1)
        rows = inputs.view(-1, inputs.shape[-1])[real]
        for layer in self.layers:
            rows = layer(rows, real, times)
        targets = torch.cat([items[:, 1:], torch.zeros_like(items[:, :1])], dim=1).view(-1)[real]
        return self.sampled_softmax(functional.normalize(rows, dim=-1, eps=EPSILON), targets, negatives)

    def sampled_softmax(self, states: Tensor, targets: Tensor, negatives: int) -> Tensor:
        """Every position gathers its own negatives; that gather is most of the step's memory."""
        sample = torch.randint(1, self.items.num_embeddings, (len(targets), negatives))
        positive = functional.normalize(self.items(targets), dim=-1, eps=EPSILON)
        negative = functional.normalize(self.items(sample), dim=-1, eps=EPSILON)  # positions, negatives, width
        against = torch.bmm(negative, states[:, :, None]).squeeze(2) / TEMPERATURE
        against = against.masked_fill(sample == targets[:, None], EXCLUDED)
        logits = torch.cat([(states * positive).sum(-1, keepdim=True) / TEMPERATURE, against], dim=1)
        weights = (targets > 0).float()  # the last position of a sequence has no next item
        return (-functional.log_softmax(logits, dim=1)[:, 0] * weights).sum() / weights.sum()


def padded_items(path: Path) -> tuple[Tensor, int]:
    """Each user's last 200 items without the final one, from 1, right-padded with 0; and the number of items."""
    log = read_log(path).with_columns(item=pl.col("item_id").rank("dense"))
    lists = log.group_by("user_id", maintain_order=True).agg("item")["item"]
    table = torch.zeros(len(lists), LENGTH, dtype=torch.long)
    for row, items in enumerate(lists):
        kept = torch.tensor(items[:-1][-HISTORY:].to_list(), dtype=torch.long)
        table[row, : len(kept)] = kept
    return table, int(log["item"].max())


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--steps", type=int, default=12, help="measured; the first warms up")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--negatives", type=int, default=128)
    parser.add_argument("--anomaly", action="store_true", help="autograd's anomaly detection on, as Meta's loop has it")
    given = begin(parser)
    torch.autograd.set_detect_anomaly(given.anomaly)
    table, items = padded_items(given.log)
    times = torch.arange(LENGTH).expand(given.batch, -1) * 60
    model = Hstu(items, width=50, layers=2, heads=1, head_width=50, dropout=0.2).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.0)
    seconds, losses = [], []
    for _ in range(given.steps):
        batch = table[torch.randperm(len(table))[: given.batch]]
        start = time.perf_counter()
        optimizer.zero_grad()
        loss = model.loss(batch, times[: len(batch)], given.negatives)
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
        losses.append(round(loss.item(), 4))
    rate = given.batch / statistics.median(seconds[1:] or seconds)
    report(
        given, "meta_hstu", "training step, our re-implementation of the published research step", round(rate, 2),
        "sequences/s", ["torch"], seconds_per_step=[round(second, 3) for second in seconds], losses=losses,
        width=50, blocks=2, heads=1, length=HISTORY, padded_length=LENGTH, batch=given.batch,
        negatives=given.negatives, anomaly_detection=given.anomaly,
    )  # fmt: skip


if __name__ == "__main__":
    main()
