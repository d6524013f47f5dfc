"""Options as people write them, and the page that lists them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bot.cli import commands
from bot.cli.document import Printer
from bot.cli.main import app
from bot.config.settings import load
from bot.model.errors import BotError, ConfigError
from bot.paper import describe
from bot.paper.option_values import KINDS, read_option, read_options, shown, split_option
from bot.paper.options import PaperOptions

PAGE = Path(__file__).parents[3] / "docs" / "paper-gateway.md"


def test_the_page_is_what_the_code_says() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert describe.renewed(page) == page, "run: python -m bot.paper.describe"
    assert describe.renewed(page.replace("| `rate_window` |", "| `rate` |")) == page


def test_every_option_has_its_row() -> None:
    rows = describe.table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(KINDS) == list(PaperOptions.__struct_fields__)
    assert not any(row.endswith("|  |") for row in rows)


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(BotError, match="made from the code"):
        describe.renewed("# A page")


def test_every_default_is_read_back_from_its_text() -> None:
    for name in KINDS:
        default = getattr(PaperOptions(), name)
        assert read_option(name, shown(default)) == default, name


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rate_window=fixed", "fixed"), ("rate_general=100/30", (100, 30)), ("rate_retry_after=7", 7),
        ("rate_retry_after=none", None), ("ping_auth=TRUE", True), ("closed_code=5", 5),
        ("logout_args=a, b", ("a", "b")), ("fees=mnq:740000,ES:2800000", {"MNQ": 740_000, "ES": 2_800_000}),
        ("closed_text=Instrument = closed.", "Instrument = closed."),
    ],
)  # fmt: skip
def test_texts_become_values(text: str, value: Any) -> None:
    name, raw = split_option(text)
    assert getattr(read_options({name: raw}), name) == value


@pytest.mark.parametrize(
    ("name", "raw", "said"),
    [
        ("rate_windw", "fixed", "expected one of rate_window"),
        ("rate_window", "rolling", "expected sliding or fixed, got 'rolling'"),
        ("rate_general", "100", "expected count/seconds such as 200/60, got '100'"),
        ("rate_general", "0/60", "expected count/seconds"),
        ("bars_max", "0", "expected a whole number of at least 1"),
        ("bars_max", "many", "expected a whole number of at least 1"),
        ("ping_auth", "maybe", "expected true or false"),
        ("closed_code", "4", "expected 2 or 5"),
        ("closed_code", True, "expected 2 or 5"),
        ("fees", "MNQ", "expected pairs such as"),
        ("bars_max", 1.5, "expected a whole number"),
    ],
)
def test_a_bad_option_says_what_is_legal(name: str, raw: Any, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_options({name: raw})
    assert said in str(refused.value)
    assert refused.value.do


def test_an_option_without_a_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="name=value"):
        split_option("rate_window")


def test_options_come_from_the_settings_file_and_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "bot.toml"
    file.write_text('[paper.options]\nbars_max = 1000\nfailure_lists = "empty"\nrate_bars = [5, 10]\n')
    settings = load([file], {"HOME": str(tmp_path)}, folder=tmp_path)
    options = read_options(settings.paper.options)
    assert (options.bars_max, options.failure_lists, options.rate_bars) == (1000, "empty", (5, 10))
    named = {
        "HOME": str(tmp_path),
        "BOT_PAPER__OPTIONS": "bars_max=7; ping_body=json",
        "BOT_PAPER_API_KEY": "k",
    }
    settings = load([], named, folder=tmp_path)
    assert read_options(settings.paper.options).bars_max == 7
    assert settings.paper.api_key is not None
    assert settings.paper.api_key.reveal() == "k"
    with pytest.raises(ConfigError, match=r"pairs such as name=value"):
        load([], {"HOME": str(tmp_path), "BOT_PAPER__OPTIONS": "bars_max"}, folder=tmp_path)


async def test_the_configuration_check_looks_at_the_options(tmp_path: Path) -> None:
    file = tmp_path / "bot.toml"
    file.write_text('[paper.options]\nrate_window = "rolling"\n')
    settings = load([file], {"HOME": str(tmp_path)}, folder=tmp_path)
    with pytest.raises(ConfigError, match="sliding or fixed"):
        await commands.config_check(settings, Printer("config", as_json=True))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--option", "rate_window=rolling"],
            "paper option rate_window: expected sliding or fixed, got 'rolling'",
        ),
        (["--option", "rate_window"], "expected name=value"),
        (["--option", "no_such=1"], "paper option no_such: expected one of"),
        (
            ["--tls-fault", "nonsense"],
            "--tls-fault: expected good or wrong_name or expired or unknown, got 'nonsense'",
        ),
    ],
)
def test_the_command_refuses_what_is_not_legal(words: list[str], said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["paper", "--state", str(tmp_path / "paper"), *words])
    assert done.exit_code == 3
    assert said in " ".join(done.output.split())
