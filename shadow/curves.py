"""Latency by percentile as inline SVG: logarithmic time upwards, the tail stretched to the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from typing import Final

from shadow.render_text import nanoseconds

_WIDTH, _HEIGHT = 720, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 12, 30
_MARKS: Final = (0, 50, 90, 99, 99.9, 99.99)
_SPAN: Final = 4.0

Points = Sequence[tuple[float, int]]


def latency_curves(series: Mapping[str, Points]) -> str:
    """One path per class name (`first`, `second`, `third`) over `(percentile, ns)` points."""
    values = [max(ns, 1) for points in series.values() for _, ns in points]
    if not values:
        return '<p class="soft">No warm samples yet.</p>'
    low, high = floor(log10(min(values))), ceil(log10(max(values)) + 1e-9)
    high = max(high, low + 1)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Latency by percentile, nanoseconds on a logarithmic scale">'
    ]
    for power in range(low, high + 1):
        y = _y(10**power, low, high)
        parts.append(f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{nanoseconds(10**power)}</text>'
        )
    for mark in _MARKS:
        x = _x(mark)
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>')
        anchor = "end" if mark == _MARKS[-1] else "middle" if mark else "start"
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 10}" text-anchor="{anchor}">{mark:g} %</text>')
    for name, points in series.items():
        if points:
            line = " L".join(f"{_x(at):.1f},{_y(ns, low, high):.1f}" for at, ns in points)
            parts.append(f'<path class="{name}" d="M{line}"/>')
    return "".join([*parts, "</svg>"])


def _x(percentile: float) -> float:
    nines = min(-log10(max(1 - percentile / 100, 10**-_SPAN)), _SPAN)
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * nines / _SPAN


def _y(ns: int, low: int, high: int) -> float:
    share = (log10(max(ns, 1)) - low) / (high - low)
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share
