"""Named random streams of one seed, so that no part's draws depend on another part's."""

from __future__ import annotations

import random


def stream(seed: int, *names: object) -> random.Random:
    """The random stream called `names` of `seed`; the same on every machine."""
    return random.Random(":".join(map(str, (seed, *names))))  # noqa: S311  a market, not a secret
