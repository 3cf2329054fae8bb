"""What a service counts about itself, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from segue.core.extras import require

LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Meters:
    """Counters, gauges and histograms in a registry of its own: several services in one process do not mix."""

    def __init__(self) -> None:
        client = require("prometheus_client", extra="serve")
        self._client = client
        self.registry = client.CollectorRegistry()
        named: dict[str, Any] = {"registry": self.registry}
        self.requests = client.Counter(
            "segue_requests_total", "Requests by route and status.", ["method", "route", "status"], **named
        )
        self.seconds = client.Histogram(
            "segue_request_seconds", "Time from a request to its answer.", ["route"], buckets=LATENCY, **named
        )
        self.batches = client.Histogram(
            "segue_batch_requests", "Requests that were answered together.", ["system"], buckets=SIZES, **named
        )
        self.batch_seconds = client.Histogram(
            "segue_batch_seconds", "Time of a system for one batch.", ["system"], buckets=LATENCY, **named
        )
        self.answers = client.Counter(
            "segue_answers_total", "Answers by system and who gave them.", ["system", "by"], **named
        )
        self.swaps = client.Counter("segue_swaps_total", "Runs that took over from another.", ["system"], **named)

    def watch_batch(self, system: str, size: int, seconds: float) -> None:
        """A system has answered a batch."""
        self.batches.labels(system).observe(size)
        self.batch_seconds.labels(system).observe(seconds)

    def watch_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def read(self, name: str, words: str, label: str, values: Callable[[], Mapping[str, float]]) -> None:
        """A gauge that is read when somebody looks: `values()` gives its numbers by label."""
        family = require("prometheus_client.metrics_core", extra="serve").GaugeMetricFamily
        self.registry.register(_Read(family, name, words, label, values))

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        page: bytes = self._client.generate_latest(self.registry)
        return page

    @property
    def media_type(self) -> str:
        """Of `text`."""
        return str(self._client.CONTENT_TYPE_LATEST)


class _Read:
    """A collector that asks when it is collected."""

    def __init__(
        self, family: Any, name: str, words: str, label: str, values: Callable[[], Mapping[str, float]]
    ) -> None:
        self._family, self._name, self._words, self._label, self._values = family, name, words, label, values

    def collect(self) -> Iterator[Any]:
        family = self._family(self._name, self._words, labels=[self._label])
        for labelled, value in self._values().items():
            family.add_metric([labelled], float(value))
        yield family
