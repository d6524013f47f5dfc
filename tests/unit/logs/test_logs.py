"""What reaches a log, and what never does."""

from __future__ import annotations

import io
import json
import logging
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from signalrcore.helpers import Helpers

from bot import logs
from bot.clock import VirtualClock
from bot.logs import Logging, Redactor, logger
from bot.model.secret import Secret

KEY = "k3y/with+odd=\"chars'\\"
PASSWORD = "p@ssw0rd-dsn"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl"
T0 = 1_762_180_200_000_000_000


class Sinks:
    """The file and the console of one set-up."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "logs" / "bot.log"
        self.console = io.StringIO()
        self.clock = VirtualClock(T0)
        self.redactor = Redactor([KEY, PASSWORD])
        self.logging = Logging(self.path, self.redactor, clock=self.clock, console=self.console)

    @property
    def text(self) -> str:
        return self.path.read_text()

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def sinks(tmp_path: Path) -> Iterator[Sinks]:
    made = Sinks(tmp_path)
    yield made
    made.logging.close()


def test_a_line_is_one_object_with_stable_fields(sinks: Sinks) -> None:
    logger("risk").info(
        "order.denied", code="HALTED", account_id=1001, intent_id="ABC", price=None, share="50%"
    )
    assert sinks.rows == [
        {
            "ts": "2025-11-03T14:30:00Z", "level": "info", "component": "risk", "event": "order.denied",
            "code": "HALTED", "account_id": 1001, "intent_id": "ABC", "price": None, "share": "50%",
        }
    ]  # fmt: skip
    assert sinks.console.getvalue() == ""


def test_the_console_gets_short_text_from_warning_on(sinks: Sinks) -> None:
    logger("websocket").warning("hub.lost", hub="user", reason="100% gone")
    assert sinks.console.getvalue() == "14:30:00 WARNING websocket hub.lost hub=user reason=100% gone\n"


def test_field_names_of_the_log_record_itself_can_be_used(sinks: Sinks) -> None:
    logger("app").info("start", name="bot", args=[1], module="x", msg="y")
    row = sinks.rows[0]
    assert [row[key] for key in ("name_", "args_", "module_", "msg_")] == ["bot", [1], "x", "y"]


def test_the_file_is_private_and_rotates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FILE_BYTES", 2000)
    sinks = Sinks(tmp_path)
    for number in range(200):
        logger("app").info("line", number=number)
    sinks.logging.close()
    files = sorted(path.name for path in sinks.path.parent.iterdir())
    assert files == ["bot.log", "bot.log.1", "bot.log.2", "bot.log.3", "bot.log.4"]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in sinks.path.parent.iterdir())
    assert stat.S_IMODE(sinks.path.parent.stat().st_mode) == 0o700


def test_equal_messages_are_written_once_with_a_count(sinks: Sinks) -> None:
    log = logger("market_data")
    for number in range(50):
        log.warning("quote.old", contract="MNQ")
        log.error("order.denied", intent_id=number)
    sinks.clock.move_to(11 * 10**9)
    log.warning("quote.old", contract="MNQ")
    quotes = [row.get("repeated") for row in sinks.rows if row["event"] == "quote.old"]
    assert quotes == [None, 49]
    assert len(sinks.rows) == 52


class Account:
    def __init__(self) -> None:
        self.key = KEY

    def __repr__(self) -> str:
        return f"Account({self.key})"


def raise_with_secret() -> None:
    try:
        raise ValueError(f"inner {KEY}")
    except ValueError as problem:
        raise RuntimeError(f"login with {PASSWORD} failed: {JWT}") from problem


async def failing_request() -> None:
    headers = {"Authorization": f"Bearer {JWT}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        try:
            await session.get(f"http://127.0.0.1:1/hubs/user?access_token={JWT}")
        except aiohttp.ClientError:
            logging.getLogger("aiohttp.client").exception("GET /hubs/user?access_token=%s %s", JWT, headers)


async def test_planted_secrets_are_in_no_log(sinks: Sinks) -> None:
    log = logger("gateway")
    event = f"event {KEY}"
    log.warning(event)
    log.warning(
        "by.value", body=f'{{"apiKey":"{KEY}"}}', raw=json.dumps({"k": KEY}).encode(), account=Account()
    )
    log.warning("by.key", api_key="short", token="abc", headers={"Authorization": "Basic zzz-basic"}, DATABASE_URL="x://y",
                nested=[{"password": "nested-pass"}, ("a", {"apiKey": "nested-key"})])  # fmt: skip
    log.warning("by.shape", url=f"wss://host/hubs/user?access_token={'q' * 20}&x=1", text=f"Authorization: Bearer {JWT}",
                dsn_text="postgresql://bot:unknown-pw@db/bot", hook="https://discord.com/api/webhooks/1/discord-part")  # fmt: skip
    log.warning("secret.type", value=Secret("typed-secret"))
    try:
        raise_with_secret()
    except RuntimeError:
        log.exception("login.failed")
        logging.getLogger("anything").exception("stdlib %s", KEY)
    sys.excepthook(*_caught())
    Helpers.get_logger().error("negotiate with %s", {"headers": {"Authorization": f"Bearer {JWT}"}})
    logging.getLogger("signalrcore.transport").error("connect %s", f"wss://rtc/hubs/user?access_token={JWT}")
    await failing_request()
    sinks.redactor.add("fresh-token-1")
    log.warning("refreshed", detail="now fresh-token-1 holds")
    seen = sinks.text + sinks.console.getvalue()
    planted = [
        KEY, json.dumps(KEY)[1:-1], PASSWORD, JWT, JWT.split(".")[1], "short", "zzz-basic", "x://y", "nested-pass",
        "nested-key", "q" * 20, "unknown-pw", "discord-part", "typed-secret", "fresh-token-1",
    ]  # fmt: skip
    assert [secret for secret in planted if secret in seen] == []
    for event in ("by.value", "by.key", "by.shape", "login.failed", "refreshed", "uncaught", "stdlib"):
        assert event in seen
    assert "RuntimeError: login with *** failed: ***" in seen
    assert all(isinstance(row, dict) for row in sinks.rows)


def _caught() -> Any:
    try:
        raise_with_secret()
    except RuntimeError:
        return sys.exc_info()


@pytest.mark.parametrize(
    "text",
    [
        "tokenizer ready", "token budget 200/60s", "the secretary", "passwords are not used", "12:30 key 5",
        "http://127.0.0.1:8080/status",
    ],
)  # fmt: skip
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert Redactor(["k3y-value"]).text(text) == text


@pytest.mark.parametrize("name", ["keys", "key", "tokens_left", "idempotency_key", "secretary", "api"])
def test_ordinary_fields_are_left_alone(name: str) -> None:
    assert Redactor().value({name: 5}) == {name: 5}


def test_closing_puts_back_what_was_there(tmp_path: Path) -> None:
    before = list(logging.getLogger().handlers), sys.excepthook
    Sinks(tmp_path).logging.close()
    assert (list(logging.getLogger().handlers), sys.excepthook) == before
