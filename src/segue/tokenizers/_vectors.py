"""What tokenizers over vectors share: checked vectors, known items beside new ones, and codes as tensors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segue.core.codes import ItemCodes
from segue.core.errors import DataError, SettingsError
from segue.core.shapes import Float, Int, Num
from segue.core.tables import Catalog
from segue.tokenizers.collisions import CollisionPolicy, Quantized


def checked(vectors: Float[np.ndarray, "items width"], catalog: Catalog) -> Float[np.ndarray, "items width"]:
    """The vectors as float32, which are numbers all of them.

    Raises:
        DataError: an item's vector has NaN or infinity in it; says which.
    """
    bad = ~np.isfinite(vectors).all(1)
    if bad.any():
        raise DataError(
            f"the vectors of {int(bad.sum()):,} of {len(catalog):,} items are not finite numbers (first: item "
            f"{catalog.ids[int(bad.argmax())]!r}); see how its text or its own vector comes about."
        )
    return np.ascontiguousarray(vectors, dtype=np.float32)


def enough_items(items: int, size: int) -> None:
    """Refuse to learn more codes than there are items.

    Raises:
        SettingsError: with both numbers, and what to set.
    """
    if items < size:
        raise SettingsError(
            f"{size:,} codes cannot be learnt from {items:,} items; set size to {max(2, items // 8)} or less "
            "(a tenth of the items or fewer makes codes that mean something)."
        )


def known_and_new(
    fitted: Catalog,
    codes: ItemCodes,
    policy: CollisionPolicy,
    catalog: Catalog,
    quantize: Callable[[Catalog], Quantized],
) -> Int[np.ndarray, "items levels"]:
    """The codes of `catalog`: items of the fitted one keep theirs, and the policy admits the others in row order."""
    rows = rows_or_minus_one(fitted, catalog)
    result = codes.codes[rows]
    new = np.flatnonzero(rows < 0)
    if len(new):
        result[new] = policy.admit(codes, quantize(Catalog(catalog.table[new])))
    return result


def rows_or_minus_one(fitted: Catalog, catalog: Catalog) -> Int[np.ndarray, " items"]:
    """The row in the fitted catalog of each item of another, or -1 where it has none."""
    known = catalog.ids.is_in(fitted.ids.implode()).to_numpy()
    rows = np.full(len(catalog), -1, dtype=np.int64)
    if known.any():
        rows[known] = fitted.rows(catalog.ids.filter(known))
    return rows


def code_tensors(codes: ItemCodes) -> dict[str, Tensor]:
    """Item codes as named tensors: `codes.tuples`, `codes.sizes` and, where there are any, `codes.weights`."""
    tensors = {"codes.tuples": torch.from_numpy(codes.codes), "codes.sizes": torch.tensor(codes.sizes)}
    if codes.weights is not None:
        tensors["codes.weights"] = torch.from_numpy(codes.weights)
    return tensors


def codes_from(tensors: Mapping[str, Tensor], *, shared: bool = False) -> ItemCodes:
    """The item codes that `code_tensors` wrote."""
    weights = tensors["codes.weights"].cpu().numpy() if "codes.weights" in tensors else None
    sizes = tuple(tensors["codes.sizes"].tolist())
    return ItemCodes(tensors["codes.tuples"].cpu().numpy(), sizes, shared, weights)


def json_tensor(values: Any) -> Tensor:
    """Plain values as the bytes of their JSON, to lie among weights."""
    return torch.tensor(list(json.dumps(values).encode()), dtype=torch.uint8)


def from_json_tensor(tensor: Num[Tensor, " bytes"]) -> Any:
    """The plain values that `json_tensor` wrote."""
    return json.loads(tensor.cpu().numpy().tobytes())
