"""What was used lately, up to a bound on its weight."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class LeastRecent(Generic[Value]):
    """Values by key; when they weigh too much together, those that were asked for least recently go."""

    def __init__(self, most: int, weight: Callable[[Value], int]) -> None:
        self._most, self._weight = most, weight
        self._values: OrderedDict[str, Value] = OrderedDict()
        self._sum = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str) -> Value | None:
        """The value, if it is still there."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, key: str, value: Value, better: Callable[[Value, Value], bool] | None = None) -> None:
        """Keep a value; `better(old, new)` may say that the old one stays."""
        with self._lock:
            old = self._values.get(key)
            if old is not None:
                if better is not None and better(old, value):
                    return
                self._sum -= self._weight(old)
            self._values[key] = value
            self._values.move_to_end(key)
            self._sum += self._weight(value)
            while self._sum > self._most and len(self._values) > 1:
                _, gone = self._values.popitem(last=False)
                self._sum -= self._weight(gone)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
            self._sum = 0
