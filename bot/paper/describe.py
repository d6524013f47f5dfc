"""The options table of docs/paper-gateway.md, made from the code: `python -m bot.paper.describe PAGE`."""

from __future__ import annotations

import ast
import inspect
import sys
from itertools import pairwise
from pathlib import Path

from bot.model.errors import BotError
from bot.paper import options
from bot.paper.option_values import KINDS, legal, shown
from bot.paper.options import PaperOptions

BEGIN, END = "<!-- options: made from the code -->", "<!-- end of options -->"


def meanings() -> dict[str, str]:
    """The text below each field. Raises BotError for a field without one."""
    module = ast.parse(inspect.getsource(options))
    body = next(node for node in module.body if isinstance(node, ast.ClassDef)).body
    found = {}
    for field, text in pairwise(body):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        said = text.value.value if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) else ""
        found[field.target.id] = " ".join(str(said).split())
    silent = [name for name in KINDS if not found.get(name)]
    if silent:
        raise BotError(
            "options of the paper gateway",
            expected="a text below every field",
            seen=", ".join(silent),
            do="say there what the option means",
        )
    return found


def table() -> str:
    """Name, default, legal values and meaning of every option, as a Markdown table."""
    texts, defaults = meanings(), PaperOptions()
    rows = ["| option | default | values | meaning |", "|---|---|---|---|"]
    for name, kind in KINDS.items():
        default = shown(getattr(defaults, name))
        rows.append(
            f"| `{name}` | {f'`{default}`' if default else '(empty)'} | {legal(kind)} | {texts[name]} |"
        )
    return "\n".join(rows)


def renewed(page: str) -> str:
    """The page with the present table between its marks. Raises BotError when the marks are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BotError("page", expected=f"the lines {BEGIN} and {END}", seen="none", do="put them in")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main(path: str) -> None:
    """Write the table into a page."""
    page = Path(path)
    page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs/paper-gateway.md")
