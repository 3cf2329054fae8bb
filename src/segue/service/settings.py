"""How a service runs: where, for whom, how much at once, and for how long."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

OUTSIDE = 100.0
"""Requests a second of one client where others than this machine can ask, unless something else is said."""


class ServiceSettings(BaseModel):
    """Everything that can be set about a service; the defaults suit one machine and one team."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """Address to listen on. Anything but the loopback needs a token."""
    port: int = Field(default=8321, ge=0, le=65_535)
    """Port to listen on; 0 takes any free one."""
    token: str | None = Field(default=None, min_length=16, repr=False)
    """Who knows it may ask. None lets everybody on this machine ask."""
    names: tuple[str, ...] = ()
    """Host names by which the service is called, beside the loopback's and `host`; a request that names another is
    refused, so that no page of a stranger can reach a service on the loopback."""
    traffic: dict[str, PositiveFloat] = Field(default_factory=dict)
    """The share of each system in requests that name none; the first system has all of it unless given."""
    retriever: str | None = None
    """The system that names candidates for `ranker`; both together answer as one more system."""
    ranker: str | None = None
    """The system that sorts what `retriever` names."""
    candidates: PositiveInt = 100
    """Items that the retriever names for the ranker."""
    fallback: str = "popularity"
    """Who answers somebody without a history: `popularity` (of the run's log), `nothing` (an empty list), or the name
    of a system."""
    batch: PositiveInt = 64
    """Requests that are answered together at most."""
    waiting: PositiveInt = 512
    """Requests that may wait for one system; further ones are turned away with 503."""
    deadline: PositiveFloat = 10.0
    """Seconds after which a request is given up with 503."""
    body: PositiveInt = 1_000_000
    """Bytes of a request's body at most."""
    rate: NonNegativeFloat | None = None
    """Requests a second that one client address may make over time; 0 sets no limit. None is 100, or no limit where
    only this machine can ask."""
    burst: PositiveInt = 100
    """Requests that a client may make at once before the rate counts."""
    connections: NonNegativeInt = 256
    """Connections that one client address may have open at once; 0 sets no bound. This machine's own addresses have
    none: a proxy stands there, with everybody behind it."""
    kept_megabytes: NonNegativeFloat = 256.0
    """Memory for what systems have computed of users' histories, for each system; 0 keeps nothing."""
    refresh: PositiveFloat = 2.0
    """Seconds between two looks for items that another process added or withdrew."""
    log_decisions: bool = True
    """Keep what was answered, so that systems can be compared offline."""
    ledger: Path | None = None
    """A folder of ledger rows that the studio shows."""
    threads: PositiveInt = 1
    """Threads of torch for one answer; more help large models and cost small ones."""

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return self.host in LOOPBACK

    @property
    def allowed(self) -> float:
        """Requests a second of one client; 0 where there is no limit."""
        if self.rate is None:
            return 0.0 if self.loopback else OUTSIDE
        return self.rate


LOOPBACK = ("127.0.0.1", "localhost", "::1")
