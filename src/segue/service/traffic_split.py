"""Which system answers whom: a share of the traffic each, and one user always the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from segue.core.errors import SettingsError


class TrafficSplit:
    """Chooses by a hash of who asks, so that a user stays with one system as long as the shares stay what they are."""

    def __init__(self, shares: Mapping[str, float], systems: list[str]) -> None:
        unknown = [name for name in shares if name not in systems]
        if unknown:
            raise SettingsError(f"--traffic names {unknown[0]!r}, which is not served; there is: {', '.join(systems)}.")
        given = dict(shares) or {systems[0]: 1.0}
        total = sum(given.values())
        self.shares = {name: given.get(name, 0.0) / total for name in systems}

    def choose(self, who: str) -> str:
        """The system that answers this one."""
        draw = int.from_bytes(hashlib.blake2b(who.encode(), digest_size=8, key=b"segue traffic").digest()) / 2**64
        for name, share in self.shares.items():
            draw -= share
            if draw < 0:
                return name
        return max(self.shares, key=lambda name: self.shares[name])  # where shares add up to a little less than one
