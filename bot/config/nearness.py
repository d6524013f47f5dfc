"""Which names are near a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable


def edits(a: str, b: str, limit: int = 99) -> int:
    """Insertions, deletions, replacements and swaps of neighbours between two texts; `limit + 1` beyond."""
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        above, row, twice = row, [i], before
        for j, right in enumerate(b, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                cost = min(cost, twice[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
        before = above
    return row[-1]


def nearest(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """The legal names that are nearest to `name`, at most half of it away."""
    limit = max(2, len(name) // 2)
    words = set(name.split("_"))
    ranked = []
    for other in set(names):
        distance = edits(name, other, limit)
        if distance <= limit:
            # A forgotten word is one mistake, however long the word is.
            ranked.append((min(distance, 1) if words < set(other.split("_")) else distance, other))
    return [other for _, other in sorted(ranked)][:count]


def hint(name: str, names: Iterable[str]) -> str:
    """`did you mean a, b?`, or an empty text."""
    found = nearest(name, names)
    return f"did you mean {', '.join(found)}?" if found else ""
