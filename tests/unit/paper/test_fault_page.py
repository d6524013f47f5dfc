"""docs/faults.md says what the code does."""

from __future__ import annotations

import re

from bot.paper.fault_page import PAGE, page
from bot.paper.script.read import parse
from bot.paper.verbs import VERBS


def test_the_page_is_that_of_the_code() -> None:
    assert PAGE.read_text() == page(), "run `python -m bot.paper.fault_page`"


def test_every_verb_and_member_stands_on_it() -> None:
    text = page()
    assert sorted(re.findall(r"^### `(.+)`$", text, re.MULTILINE)) == sorted(VERBS)
    for verb in VERBS.values():
        section = text.partition(f"### `{verb.name}`\n")[2].partition("\n### ")[0]
        assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)[: len(verb.takes)] == [
            member.name for member in verb.takes
        ]


def test_the_example_is_a_script() -> None:
    example = page().partition("```yaml\n")[2].partition("```")[0]
    script, _ = parse(example)
    assert len(script.steps) == 6
