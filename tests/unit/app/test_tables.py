"""Tables on a narrow terminal keep every column and every word."""

from __future__ import annotations

import io

from rich.console import Console

from bot.cli.tables import checks


def test_a_narrow_table_loses_no_column_and_no_text() -> None:
    seen, do = " ".join(f"seen{i}" for i in range(30)), " ".join(f"do{i}" for i in range(30))
    rows = [
        {"check": "login", "result": "failed", "seen": seen, "do": do},
        {"check": "disk", "result": "ok", "seen": "74 GiB free", "do": ""},
    ]
    out = io.StringIO()
    checks(Console(file=out, width=80, soft_wrap=True), {"checks": rows})
    words = out.getvalue().split()
    assert {"Check", "Result", "login", "FAILED", "ok", *seen.split(), *do.split()} <= set(words)
    assert max(map(len, out.getvalue().splitlines())) <= 80
