"""Settings from their four sources, and what is refused."""

from __future__ import annotations

import pickle
from datetime import time
from pathlib import Path
from typing import Any

import pytest

from bot.config import Settings, load, show
from bot.config.environment import native
from bot.config.settings import KINDS, SECRETS
from bot.config.strategy_keys import READERS, VARIABLES
from bot.config.values import Rate
from bot.model.errors import ConfigError
from bot.model.secret import Secret

S = "strategies.overnight_range"


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """`load` in an empty folder, with TOML, .env and environment given as text and mapping."""

    def run(
        toml: str = "", env: dict[str, str] | None = None, cli: dict[str, Any] | None = None, dotenv: str = ""
    ) -> Settings:
        if toml:
            (tmp_path / "bot.toml").write_text(toml)
        if dotenv:
            (tmp_path / ".env").write_text(dotenv)
        return load(None, {"HOME": str(tmp_path), **(env or {})}, cli, folder=tmp_path)

    return run


def refusal(run: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        run(*args, **kwargs)
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_defaults_are_those_of_the_specification(read: Any) -> None:
    settings = read()
    assert settings.gateway.rate.general == Rate(200, 60.0)
    assert settings.gateway.rest_url == "https://api.topstepx.com"
    assert settings.session.flatten_start == time(15, 5)
    assert (settings.trading.live, settings.trading.live_accounts) == (False, ())
    assert settings.database.mode == "embedded"
    assert settings.database_dsn() is None
    assert settings.strategies.overnight_range == {}
    assert settings.state_folder.name == "topstepx-trading-bot"


def test_later_sources_win_and_each_value_names_its_origin(read: Any, tmp_path: Path) -> None:
    toml = '[gateway]\ntimeout = "10s"\nmutation_timeout = "4s"\n\n[orders]\nmax_quote_age = "1s"\nrealign = false\n'
    settings = read(
        toml,
        {"BOT_GATEWAY__TIMEOUT": "11s", "BOT_ORDERS__MAX_QUOTE_AGE": "2s"},
        {"gateway.timeout": "12s"},
        "BOT_ORDERS__MAX_QUOTE_AGE=9s\nBOT_FLATTEN__ROUNDS=4\n",
    )
    assert settings.gateway.timeout == 12.0
    assert settings.gateway.mutation_timeout == 4.0
    assert settings.orders.max_quote_age == 2.0
    assert settings.orders.realign is False
    assert settings.flatten.rounds == 4
    rows = {row["name"]: row for row in show(settings)}
    assert rows["gateway.timeout"]["origin"] == "command line"
    assert rows["gateway.mutation_timeout"]["origin"] == f"{tmp_path / 'bot.toml'}:3"
    assert rows["orders.realign"]["origin"] == f"{tmp_path / 'bot.toml'}:7"
    assert rows["orders.max_quote_age"]["origin"] == "environment BOT_ORDERS__MAX_QUOTE_AGE"
    assert rows["flatten.rounds"]["origin"] == ".env BOT_FLATTEN__ROUNDS"
    assert rows["orders.allow_flip"]["origin"] == "default"
    assert rows["gateway.timeout"]["value"] == "12s"


def test_given_files_are_read_in_order_and_bot_toml_is_not(tmp_path: Path) -> None:
    (tmp_path / "bot.toml").write_text("[flatten]\nrounds = 1\n")
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text("[flatten]\nrounds = 2\n[server]\nport = 2\n")
    second.write_text("[server]\nport = 3\n")
    settings = load([first, second], {}, folder=tmp_path)
    assert (settings.flatten.rounds, settings.server.port) == (2, 3)
    assert "a file that exists" in refusal(load, [tmp_path / "c.toml"], {}, folder=tmp_path)


def test_the_users_folder_is_read_when_the_working_directory_has_no_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    place = home / "topstepx-trading-bot"
    place.mkdir(parents=True)
    (place / "bot.toml").write_text("[flatten]\nrounds = 7\n")
    assert load(None, {"XDG_CONFIG_HOME": str(home)}, folder=tmp_path).flatten.rounds == 7


def test_every_error_is_listed_at_once(read: Any, tmp_path: Path) -> None:
    text = refusal(
        read,
        '[gateway]\ntimeout = "soon"\n[trading]\nlive = "maybe"\n[session]\nflatten_start = "15:06"\n',
        {"BOT_SERVER__PORT": "http"},
        {"gateway.rate.history": "51/30s"},
    )
    assert f"{tmp_path / 'bot.toml'}:2: gateway.timeout: expected a duration such as 500ms" in text
    assert f"{tmp_path / 'bot.toml'}:4: trading.live: expected true, false, 1, 0" in text
    assert "session.flatten_start: expected 15:05 Chicago time or earlier" in text
    assert "environment BOT_SERVER__PORT: server.port: expected a whole number, got 'http'" in text
    assert "command line: gateway.rate.history: expected at most the venue's 50/30s" in text


def _misspellings(name: str) -> list[str]:
    middle = len(name) // 2
    return [
        name[:middle] + name[middle + 1 :],
        name[:middle] + "x" + name[middle:],
        name[:middle] + "q" + name[middle + 1 :],
        name[: middle - 1] + name[middle] + name[middle - 1] + name[middle + 1 :],
    ]


@pytest.mark.parametrize("path", sorted(KINDS))
def test_a_key_with_one_edit_is_refused_with_its_right_name(tmp_path: Path, path: str) -> None:
    table, _, key = path.rpartition(".")
    for wrong in _misspellings(key):
        if wrong == key or f"{table}.{wrong}" in KINDS:
            continue
        file = tmp_path / "bot.toml"
        file.write_text(f'# a comment\n[{table}]\n"{wrong}" = 1\n')
        text = refusal(load, None, {}, folder=tmp_path)
        assert f"{file}:3: no such key {table}.{wrong}" in text
        assert path in text.partition("did you mean")[2]


@pytest.mark.parametrize("name", sorted({*map(native, KINDS), *VARIABLES}))
def test_a_variable_with_one_edit_is_refused_with_its_right_name(read: Any, name: str) -> None:
    prefix = next(p for p in ("BOT_", "OVERNIGHT_RANGE_", "OVERNIGHT_") if name.startswith(p))
    kind = len(name) % 4
    for wrong in (prefix + tail for tail in _misspellings(name.removeprefix(prefix))[kind : kind + 1]):
        if wrong in VARIABLES or wrong == name:
            continue
        assert name in refusal(read, env={wrong: "1"}).partition("did you mean")[2]


def test_a_forgotten_word_in_a_variable_is_named_first(read: Any) -> None:
    assert "did you mean OVERNIGHT_RANGE_ENABLED" in refusal(read, env={"OVERNIGHT_ENABLED": "true"})


@pytest.mark.parametrize(
    "name", ["PATH", "HOST", "EDITOR", "MEANING", "PGHOST", "TOKEN", "DATABASE_HOST_NAME"]
)
def test_variables_of_other_programs_are_left_alone(read: Any, name: str) -> None:
    assert read(env={name: "x"}).warnings == ()


@pytest.mark.parametrize(
    "name", ["DATABASE_ULR", "LOG_LEVLE", "PROJECT_X_APIKEY", "TREND_FAST_MA", "MEAN_REVERT"]
)
def test_variables_near_ours_stop_the_start_unless_told_otherwise(read: Any, name: str) -> None:
    assert f"environment {name}: no such variable" in refusal(read, env={name: "x"})
    settings = read("[config]\nstrict_env = false\n", {name: "x"})
    assert any(name in warning for warning in settings.warnings)


@pytest.mark.parametrize(
    ("env", "path", "value"),
    [
        ({"TOPSTEPX_USERNAME": "me"}, "auth.username", "me"),
        ({"TOPSETPX_ACCOUNT_ID": "1001"}, "accounts.default", 1001),
        ({"API_TIMEOUT": "45"}, "gateway.timeout", "45s"),
        ({"API_RATE_LIMIT_MAX": "60"}, "gateway.rate.general", "60/60s"),
        ({"API_RATE_LIMIT_MAX": "50", "API_RATE_LIMIT_PERIOD": "30"}, "gateway.rate.general", "50/30s"),
        ({"USE_NATIVE_BRACKETS": "true"}, "orders.bracket_mode", "native"),
        ({"USE_NATIVE_BRACKETS": "0"}, "orders.bracket_mode", "auto"),
        ({"TOPSTEPX_BRACKET_MODE": "client"}, "orders.bracket_mode", "client"),
        ({"DAILY_LOSS_LIMIT": "500.50"}, "risk.override.dll", "500.5"),
        ({"EOD_EXIT_TIME": "15:45"}, "session.flatten_start", "14:45"),
        ({"OVERNIGHT_EOD_FLATTEN": "off"}, "session.flatten", False),
        ({"LOG_LEVEL": "debug"}, "log.level", "DEBUG"),
        ({"PORT": "9000"}, "server.port", 9000),
        ({"OVERNIGHT_SESSION_START": "19:00"}, f"{S}.start_time", "19:00"),
        ({"OVERNIGHT_RANGE_START_TIME": "10:00"}, f"{S}.trading_start", "10:00"),
        ({"MARKET_OPEN_GRACE_MINUTES": "5"}, f"{S}.open_grace_s", 300),
        ({"STOP_ATR_MULTIPLIER": "1.50"}, f"{S}.stop_atr", "1.50"),
        ({"BREAKOUT_MONITOR_ENABLED": "false"}, f"{S}.max_rearms", 0),
        ({"RANGE_BREAK_OFFSET": "0.5"}, f"{S}.offset_ticks", 2),
        ({"OVERNIGHT_RANGE_SYMBOLS": " mnq, mes,MNQ "}, f"{S}.symbols", ["MNQ", "MES"]),
        ({"STRATEGY_SYMBOLS": "MES"}, f"{S}.symbols", ["MES"]),
        ({"STRATEGY_SYMBOLS": "MES", "OVERNIGHT_RANGE_SYMBOLS": "MNQ"}, f"{S}.symbols", ["MNQ"]),
        ({"OVERNIGHT_BREAKEVEN_POINTS_BY_SYMBOL": "MES:5,m2k:10"}, f"{S}.breakeven_points_by_symbol", {"MES": 5, "M2K": 10}),
        ({"BOT_TRADING__LIVE_ACCOUNTS": "7, 8"}, "trading.live_accounts", [7, 8]),
        ({"BOT_ORDERS__DEFAULT_STOP_TICKS": "mnq:60"}, "orders.default_stop_ticks", {"MNQ": 60}),
        ({"BOT_PROTECTION__WAIT_CHILDREN": "250ms"}, "protection.wait_children", "0.25s"),
    ],
)  # fmt: skip
def test_variables_of_the_original_bot_and_native_ones_set_their_keys(
    read: Any, env: dict[str, str], path: str, value: Any
) -> None:
    rows = {row["name"]: row["value"] for row in show(read(env=env))}
    assert rows[path] == value


def test_monitor_switched_on_leaves_the_number_of_rearms_alone(read: Any) -> None:
    assert read(env={"BREAKOUT_MONITOR_ENABLED": "true"}).strategies.overnight_range == {}


def test_a_point_offset_that_is_no_whole_tick_is_refused(read: Any) -> None:
    assert "offset_ticks instead" in refusal(read, env={"RANGE_BREAK_OFFSET": "0.3"})
    assert "offset_ticks instead" in refusal(
        read, env={"RANGE_BREAK_OFFSET": "1", "OVERNIGHT_RANGE_SYMBOLS": "MNQ,MYM,M2K"}
    )


def test_an_alias_and_its_key_with_different_values_are_both_named(read: Any) -> None:
    text = refusal(read, env={"API_TIMEOUT": "30", "BOT_GATEWAY__TIMEOUT": "31s"})
    assert "API_TIMEOUT" in text
    assert "BOT_GATEWAY__TIMEOUT" in text
    assert read(env={"API_TIMEOUT": "30", "BOT_GATEWAY__TIMEOUT": "30s"}).gateway.timeout == 30.0


def test_retired_names_are_reported_once_and_ignored(read: Any) -> None:
    settings = read(env={"RAILWAY": "1", "DB_ASYNC_POOL": "3", "DISCORD_WEBHOOK_URL": "https://x"})
    assert len(settings.warnings) == 3
    assert all("https://x" not in warning for warning in settings.warnings)


@pytest.mark.parametrize(
    "env",
    [
        {"PROJECT_X_PASSWORD": "hunter2-secret"}, {"PORTFOLIO_DAILY_LOSS_CAP": "100"},
        {"TREND_FOLLOWING_ENABLED": "true"}, {"DISABLE_DATABASE": "true"}, {"STRATEGY_TIMEZONE": "Europe/Berlin"},
        {"EOD_EXIT_TIME": "16:30"}, {"DATABASE_URL": "${{Postgres.DATABASE_URL}}"}, {"API_RATE_LIMIT_MAX": "201"},
        {"DATABASE_URL": "mysql://x"}, {"BOT_DATABASE__MODE": "external"}, {"BOT_GATEWAY__REST_URL": "example"},
        {"BOT_SERVER__HOST": "0.0.0.0"}, {"BOT_GATEWAY__RATE__RESERVED": "200"}, {"BOT_ACCOUNTS__DEFAULT": "0"},
        {"BOT_PROTECTION__DEADLINE": "3s"},
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_by_name_and_without_secrets(read: Any, env: dict[str, str]) -> None:
    text = refusal(read, env=env)
    assert "hunter2" not in text


def test_a_remote_server_needs_permission_and_a_long_token(read: Any) -> None:
    env = {"BOT_SERVER__HOST": "0.0.0.0", "BOT_SERVER__ALLOW_REMOTE": "yes", "DASHBOARD_AUTH_TOKEN": "x" * 31}
    assert "32 characters" in refusal(read, env=env)
    assert read(env={**env, "DASHBOARD_AUTH_TOKEN": "x" * 32}).server.host == "0.0.0.0"


@pytest.mark.parametrize("path", sorted(SECRETS))
def test_a_literal_secret_in_toml_or_on_the_command_line_is_refused_unseen(read: Any, path: str) -> None:
    table, _, key = path.rpartition(".")
    secret = "postgresql://u:pa55word@h/d" if path == "database.url" else "pa55word"
    for text in (
        refusal(read, f'[{table}]\n{key} = "{secret}"\n'),
        refusal(read, "[flatten]\nrounds = 1\n", cli={path: secret}),
    ):
        assert f"{path} is a secret" in text
        assert "pa55word" not in text


def test_a_dsn_without_a_password_may_stand_in_toml(read: Any) -> None:
    settings = read('[database]\nurl = "postgresql://bot@db.local/bot"\n')
    assert settings.database.mode == "external"
    assert settings.database_dsn() == Secret("postgresql://bot@db.local/bot")


def test_a_secret_file_must_exclude_other_users(read: Any, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("k3y-from-file\n")
    file.chmod(0o640)
    toml = f'[auth]\napi_key_file = "{file}"\n'
    text = refusal(read, toml)
    assert "chmod 600" in text
    assert "k3y-from-file" not in text
    file.chmod(0o600)
    settings = read(toml)
    assert settings.auth.api_key == Secret("k3y-from-file")
    assert "readable file" in refusal(read, f'[auth]\napi_key_file = "{tmp_path / "none"}"\n')


def test_host_and_password_make_a_dsn_and_its_parts_are_known_as_secrets(read: Any) -> None:
    settings = read(
        env={"POSTGRES_HOST": "db", "POSTGRES_PASSWORD": "p@ss word", "PROJECT_X_API_KEY": "key-1"}
    )
    dsn = settings.database_dsn()
    assert dsn.reveal() == "postgresql://postgres:p%40ss%20word@db:5432/trading_bot"
    assert {"p@ss word", "p%40ss%20word", "key-1", dsn.reveal()} <= set(settings.secrets())


def test_no_secret_shows_in_repr_or_in_the_listing(read: Any) -> None:
    settings = read(env={"PROJECT_X_API_KEY": "key-12345", "DATABASE_URL": "postgresql://u:pw-12345@h/d"})
    for text in (repr(settings), str(settings.auth), f"{settings.auth.api_key:>20}", str(show(settings))):
        assert "12345" not in text
    with pytest.raises(TypeError):
        pickle.dumps(settings.auth.api_key)


def test_a_broken_toml_file_is_named_without_its_content(read: Any) -> None:
    text = refusal(read, '[auth]\napi_key = "pa55word\n')
    assert "bot.toml" in text
    assert "pa55word" not in text


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('TOPSTEPX_USERNAME="a # b"', "a # b"), ("TOPSTEPX_USERNAME='a # b' # note", "a # b"),
        ("TOPSTEPX_USERNAME=a#b", "a#b"), ("TOPSTEPX_USERNAME=ab # note", "ab"),
        ("  export TOPSTEPX_USERNAME = ab ", "ab"), ("# x\n\nTOPSTEPX_USERNAME=a=b", "a=b"),
    ],
)  # fmt: skip
def test_a_dotenv_file_keeps_quoted_and_bare_hashes(read: Any, line: str, value: str) -> None:
    assert read(dotenv=line).auth.username == value


def test_the_real_environment_wins_over_dotenv(read: Any) -> None:
    settings = read(env={"TOPSTEPX_USERNAME": "real"}, dotenv="TOPSTEPX_USERNAME=file\n")
    assert settings.auth.username == "real"
    assert settings.origins["auth.username"] == "environment TOPSTEPX_USERNAME"


def test_a_dotenv_line_that_makes_no_sense_is_named_by_number(read: Any) -> None:
    text = refusal(read, dotenv="A=1\nsecret-without-name\n")
    assert ".env:2" in text
    assert "secret-without" not in text


def test_strategy_values_stay_exact_and_every_key_can_be_set(read: Any) -> None:
    settings = read(
        f'[{S}]\nstop_atr = 1.25\nenabled = true\nsymbols = ["mnq"]\nbreakeven_points = 15\nentry_cutoff = 15:30:00\n'
        f"[{S}.breakeven_points_by_symbol]\nmes = 5\n"
    )
    assert settings.strategies.overnight_range == {
        "enabled": True, "symbols": ["MNQ"], "entry_cutoff": "15:30", "stop_atr": "1.25", "breakeven_points": "15",
        "breakeven_points_by_symbol": {"MES": 5},
    }  # fmt: skip
    assert sorted(VARIABLES.values()) == sorted(READERS)
    assert len(VARIABLES) == len(READERS)


def test_a_strategy_with_the_wrong_kind_of_value_is_refused(read: Any) -> None:
    text = refusal(read, f'[{S}]\nenabled = "si"\non_stop = "run"\nstop_atr = "1,25"\nmin_bars = 2.5\n')
    for key in ("enabled", "on_stop", "stop_atr", "min_bars"):
        assert f"{S}.{key}: expected" in text


def test_the_paper_profile_waits_for_the_running_gateways_addresses(read: Any) -> None:
    assert read(env={"BOT_GATEWAY__PROFILE": "paper"}).gateway.rest_url is None
