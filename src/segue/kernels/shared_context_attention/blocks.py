"""Products over blocks of rows of one length, which are views of the packed context: nothing is padded or copied.

The queries of one user are the rows of one matrix, so that fifty beams cost one product against the context and not
fifty. `split` and `cat` keep the backward pass linear in the number of blocks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from segue.core.batches import Rows


def attention(
    queries: Tensor, keys: Tensor, values: Tensor, rows: Rows, scale: float, own_logits: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """See `shared_context_attention`."""
    learning = torch.is_grad_enabled() and (queries.requires_grad or keys.requires_grad or values.requires_grad)
    return (_products if learning else _flash)(queries, keys, values, rows, scale, own_logits)


def _flash(
    queries: Tensor, keys: Tensor, values: Tensor, rows: Rows, scale: float, own_logits: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """PyTorch's flash kernel reads the strided views as they are; its normaliser lets the prefix join afterwards."""
    users, count, heads, size = queries.shape
    mixed = queries.new_empty(users, count, heads, size)
    normalisers = torch.empty(users, count, heads, dtype=torch.float32, device=queries.device)
    first = 0
    for block in rows.blocks:
        some, tokens = slice(first, first + block.rows), slice(block.start, block.stop)
        first += block.rows
        k, v = (part[tokens].view(block.rows, block.length, heads, size).transpose(1, 2) for part in (keys, values))
        found, normaliser = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            queries[some].transpose(1, 2), k, v, 0.0, False, scale=scale
        )
        mixed[some] = found.transpose(1, 2)
        normalisers[some] = normaliser.transpose(1, 2)
    if own_logits is None:
        return mixed, None
    total = torch.logaddexp(normalisers, own_logits.float().logsumexp(-1))
    mixed *= (normalisers - total).exp_().to(mixed.dtype)[..., None]
    return mixed, (own_logits - total[..., None]).exp_().to(own_logits.dtype)


def _products(
    queries: Tensor, keys: Tensor, values: Tensor, rows: Rows, scale: float, own_logits: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Plain products, through which gradients flow."""
    blocks = rows.blocks
    users, tokens = [block.rows for block in blocks], [block.rows * block.length for block in blocks]
    owns = [None] * len(blocks) if own_logits is None else own_logits.split(users)
    mixed, own_weights = [], []
    for block, q, k, v, own in zip(
        blocks, queries.split(users), keys.split(tokens), values.split(tokens), owns, strict=True
    ):
        k, v = (part.view(block.rows, block.length, *part.shape[1:]) for part in (k, v))
        logits = torch.matmul((q * scale).transpose(1, 2), k.permute(0, 2, 3, 1))  # rows heads queries length
        if own is not None:
            logits = torch.cat([logits, own.transpose(1, 2).to(logits.dtype)], dim=-1)
        weights = torch.softmax(logits, dim=-1)
        shared = weights if own is None else weights[..., : block.length]
        mixed.append(torch.matmul(shared, v.transpose(1, 2)).transpose(1, 2))
        if own is not None:
            own_weights.append(weights[..., block.length :].transpose(1, 2))
    return torch.cat(mixed), torch.cat(own_weights) if own_logits is not None else None
