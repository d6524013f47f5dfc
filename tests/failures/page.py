"""The table of docs/failures.md, made from the names of the tests: `python -m tests.failures.page` writes it."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "failures.md"
_NAME: Final = re.compile(r"def test((?:_f\d{3})+)_")
_ROW: Final = re.compile(r"^\| F\d+ \|.*\n", re.MULTILINE)
_HEAD: Final = "|---|---|\n"


def rows() -> dict[int, list[str]]:
    """Row number → the files whose test names carry it, both ascending."""
    found: dict[int, set[str]] = defaultdict(set)
    for path in (ROOT / "tests").rglob("*.py"):
        for numbers in _NAME.findall(path.read_text(encoding="utf-8")):
            for number in re.findall(r"\d{3}", numbers):
                found[int(number)].add(path.relative_to(ROOT).as_posix())
    return {number: sorted(found[number]) for number in sorted(found)}


def page() -> str:
    """The page with its table as the tests say."""
    text = _ROW.sub("", PAGE.read_text(encoding="utf-8"))
    table = "".join(
        f"| F{number} | {', '.join(f'`{path}`' for path in paths)} |\n" for number, paths in rows().items()
    )
    return text.replace(_HEAD, _HEAD + table, 1)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
