"""How many users two items have in common, a block of items at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from segue.core.shapes import Float
from segue.core.tables import Histories


def common_users(histories: Histories, items: int, block: int) -> Iterator[tuple[slice, Float[Tensor, "items some"]]]:
    """For consecutive blocks of items, the number of users that each item of the catalog shares with each of them.

    A user counts once for an item, however often there are events. The cost is one addition for each event and item;
    nothing of size users x items or items x items exists at once.
    """
    events, bounds = histories.packed()
    users = np.repeat(np.arange(len(histories)), np.diff(bounds))
    users, events = np.divmod(np.unique(users * items + events), items)
    by_item = np.argsort(events, kind="stable")
    starts = np.searchsorted(events[by_item], np.arange(items + 1))
    owners, columns = torch.from_numpy(users[by_item]), torch.from_numpy(events[by_item])
    bags = torch.from_numpy(starts[:-1])
    for begin in range(0, items, block):
        some = slice(begin, min(begin + block, items))
        mine = slice(int(starts[some.start]), int(starts[some.stop]))
        having = torch.zeros(len(histories), some.stop - some.start)
        having[owners[mine], columns[mine] - begin] = 1.0
        yield some, embedding_bag(owners, having, bags, mode="sum")
