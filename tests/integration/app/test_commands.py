"""One-shot commands, through a running bot and without one: documents and exit codes."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path

import pytest

from tests.integration.app.session import Bot, Gateway, wait_for


def test_status_tells_state_hubs_budget_and_shadow(bot: Bot) -> None:
    wait_for(lambda: bot.status()["health"]["status"] == "ok")
    status = bot.status()
    assert status["reconciliation"]["colour"] == "green"
    assert {hub["state"] for hub in status["hubs"].values()} == {"up"}
    assert status["budgets"]["general"]["remaining"] > 100
    assert status["shadow"]["stage"] == "shadow"
    assert status["shadow"]["candidates"] == ["cython", "rust"]
    assert [quote["symbol"] for quote in status["quotes"]] == ["MNQ"]


def test_a_document_has_the_documented_members(bot: Bot) -> None:
    code, document = bot.command("positions")
    assert code == 0
    assert set(document) == {
        "ok",
        "command",
        "account_id",
        "as_of",
        "data",
        "warnings",
        "error",
        "elapsed_ms",
    }
    assert document["data"]["reconciled"] is True
    assert document["account_id"] == "1001"


def test_orders_and_positions_also_print_tables(bot: Bot) -> None:
    for command, text in (("orders", "no working order"), ("positions", "no open position")):
        done = bot.raw(command)
        assert done.returncode == 0, done.stderr
        assert text in done.stdout


def test_flatten_is_verified_at_the_venue(bot: Bot) -> None:
    code, document = bot.command("flatten", "--yes")
    assert (code, document["data"]["verified"]) == (0, True), document


def test_flatten_asks_and_does_nothing_without_an_answer(bot: Bot, gateway: Gateway) -> None:
    before = gateway.judge()["requests"]
    code, document = bot.command("flatten")
    assert (code, document["error"]["code"]) == (2, "USAGE")
    closes = [
        r
        for r in gateway.control("GET", "/paper/ledger")["requests"][before:]
        if "close" in r["path"].lower()
    ]
    assert closes == []


def test_a_second_bot_for_the_account_exits_with_6(bot: Bot, tmp_path: Path) -> None:
    second = Bot(tmp_path / "second", bot.gateway)
    done = second.raw("run")
    assert done.returncode == 6, done.stderr
    assert "no other process" in done.stderr


def test_f173_a_command_beside_a_running_bot_goes_through_it(bot: Bot, gateway: Gateway) -> None:
    """No login of its own, so one budget and one order queue per user."""

    def logins() -> int:
        rows = gateway.control("GET", "/paper/ledger")["requests"]
        return sum(row["path"].startswith("/api/Auth/") for row in rows)

    before = logins()
    assert before >= 1
    for words in (("status",), ("positions",), ("orders",), ("flatten", "--yes")):
        code, document = bot.command(*words)
        assert code == 0, document
        assert document["warnings"] == []
    assert logins() == before


def test_flags_follow_without_a_restart(bot: Bot) -> None:
    assert bot.command("flags", "set", "market_data", "replay", "--reason", "test")[0] == 0
    wait_for(lambda: bot.status()["shadow"]["stage"] == "replay", seconds=10)
    assert bot.command("flags", "set", "market_data", "shadow", "--reason", "test")[0] == 0
    wait_for(lambda: bot.status()["shadow"]["stage"] == "shadow", seconds=10)
    code, document = bot.command("flags")
    row = next(row for row in document["data"]["components"] if row["component"] == "market_data")
    assert (code, row["stage"], row["authority"]) == (0, "shadow", "python")


def test_canary_without_a_passed_gate_is_refused_with_7(bot: Bot) -> None:
    code, document = bot.command(
        "flags",
        "set",
        "market_data",
        "canary",
        "--candidates",
        "rust",
        "--slice",
        "contract:CON.F.US.MNQ.Z25",
    )
    assert (code, document["error"]["code"]) == (7, "FLAG_REFUSED"), document


def test_an_unknown_component_is_a_usage_error(bot: Bot) -> None:
    code, document = bot.command("flags", "set", "market_dat", "shadow")
    assert code == 2
    assert "market_data" in document["error"]["message"]


def test_the_shadow_compares_and_reports(bot: Bot, tmp_path: Path) -> None:
    def episodes() -> int:
        worker = bot.status()["shadow"]["worker"] or {"candidates": {}}
        return min(
            (c["outcomes"]["MATCH"] for n, c in worker["candidates"].items() if n != "control"), default=0
        )

    wait_for(lambda: episodes() > 100)
    page = tmp_path / "report.html"
    done = bot.raw("shadow", "report", "--html", str(page))
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert "market_data" in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text
    code, document = bot.command("shadow", "report")
    component = next(c for c in document["data"]["components"] if c["component"] == "market_data")
    assert code == 0
    assert {c["candidate"] for c in component["candidates"]} == {"cython", "rust"}
    assert all(c["outcomes"]["MISMATCH"] == 0 for c in component["candidates"])


def test_doctor_finds_everything_in_order(bot: Bot) -> None:
    code, document = bot.command("doctor")
    assert code == 0, document
    assert {"login", "account", "contracts", "database", "market_data rust", "market_data cython"} <= {
        check["check"] for check in document["data"]["checks"]
    }


def test_the_api_wants_its_token_and_a_loopback_host(bot: Bot) -> None:
    found = bot.found()
    assert found is not None
    port = int(found.url.rsplit(":", 1)[1])

    def ask(headers: dict[str, str], path: str = "/api/status") -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", path, headers=headers)
        status = connection.getresponse().status
        connection.close()
        return status

    token = {"Authorization": f"Bearer {found.token}"}
    assert ask({}) == 401
    assert ask({"Authorization": "Bearer wrong"}) == 401
    assert ask(token) == 200
    assert ask({}, "/health") in {200, 503}
    assert ask({**token, "Host": "evil.example"}) == 403
    assert ask({**token, "Origin": "http://evil.example"}) == 403


def test_no_secret_reaches_a_log(bot: Bot) -> None:
    found = bot.found()
    assert found is not None
    log = bot.log()
    assert "paper-key" not in log
    assert "access_token=ey" not in log
    assert found.token not in log


def test_config_show_masks_secrets_and_names_origins(bot: Bot) -> None:
    code, document = bot.command("config", "show")
    rows = {row["name"]: row for row in document["data"]}
    assert code == 0
    assert "paper-key" not in json.dumps(document)
    assert rows["gateway.profile"]["value"] == "paper"
    assert "bot.toml" in rows["gateway.profile"]["origin"]


# --- without a running bot


def test_reads_go_to_the_venue_when_no_bot_runs(own_gateway: Gateway, tmp_path: Path) -> None:
    alone = Bot(tmp_path / "alone", own_gateway)
    code, document = alone.command("positions")
    assert (code, document["data"]["items"]) == (0, [])
    assert document["warnings"] == ["no bot is running: read from the venue directly"]
    assert alone.command("orders")[0] == 0
    code, document = alone.command("status")
    assert (code, document["error"]["code"]) == (13, "NO_RUNNING_BOT")


def test_flatten_works_without_a_running_bot(own_gateway: Gateway, tmp_path: Path) -> None:
    alone = Bot(tmp_path / "alone", own_gateway)
    code, document = alone.command("flatten", "--yes")
    assert (code, document["data"]["verified"]) == (0, True), document


def test_wrong_credentials_exit_with_4_and_say_what_to_do(own_gateway: Gateway, tmp_path: Path) -> None:
    alone = Bot(tmp_path / "alone", own_gateway)
    code, document = alone.command("positions", PROJECT_X_API_KEY="not-the-key")
    assert code == 4
    assert "API key" in document["error"]["message"]
    assert "not-the-key" not in json.dumps(document)


def test_an_account_that_is_not_listed_exits_with_5(own_gateway: Gateway, tmp_path: Path) -> None:
    alone = Bot(tmp_path / "alone", own_gateway)
    code, document = alone.command("positions", "--account", "4242")
    assert code == 5
    assert "1001" in document["error"]["message"]


def test_an_unknown_contract_exits_with_13(own_gateway: Gateway, tmp_path: Path) -> None:
    config = '[strategies.overnight_range]\nenabled = true\nsymbols = ["MNQX"]\n'
    alone = Bot(tmp_path / "alone", own_gateway, config=config)
    done = alone.raw("run")
    assert done.returncode == 13, done.stderr
    assert "MNQ" in done.stderr


def test_a_misspelt_key_exits_with_3_and_names_the_right_one(own_gateway: Gateway, tmp_path: Path) -> None:
    alone = Bot(tmp_path / "alone", own_gateway, config="[orders]\nbracket_mod = 'auto'\n")
    code, document = alone.command("config", "check")
    assert code == 3
    assert "bracket_mode" in document["error"]["message"]


def test_a_port_in_use_is_named(own_gateway: Gateway, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        alone = Bot(tmp_path / "alone", own_gateway)
        alone.config.write_text(alone.config.read_text().replace("port = 0", f"port = {port}"))
        done = alone.raw("run")
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert "free port" in done.stderr


def test_a_corrupt_tape_is_refused_with_its_line(tmp_path: Path) -> None:
    tape = tmp_path / "tape.csv"
    tape.write_text("ts_event_ns,kind,price,size,aggressor,bid,bid_size,ask,ask_size\n1,trade,abc,1,B,,,,\n")
    nowhere = Gateway(tmp_path / "none", "nobody")
    nowhere.url = "http://127.0.0.1:1"
    alone = Bot(tmp_path / "alone", nowhere)
    done = alone.raw("paper", "--tape", str(tape), "--state", str(tmp_path / "paper"), "--roots", "ES")
    assert done.returncode == 3, (done.returncode, done.stderr)
    assert "tape.csv" in done.stderr


@pytest.mark.parametrize(
    "content", [b"{not json", b'{"version":1,"epoch":0,"components":{"market_data":{"stage":"sideways"}}}']
)
def test_a_corrupt_flags_file_runs_no_candidate_and_says_so(
    own_gateway: Gateway, tmp_path: Path, content: bytes
) -> None:
    own = Bot(tmp_path / "own", own_gateway)
    (tmp_path / "own" / "state").mkdir(mode=0o700)
    (tmp_path / "own" / "state" / "flags.json").write_bytes(content)
    own.start()
    try:
        status = own.status()
        assert status["shadow"]["stage"] == "off"
        assert "flags file" in status["shadow"]["alarm"]
        assert status["health"]["status"] == "degraded"
    finally:
        assert own.stop() == 0


def test_another_database_is_used_by_its_url(own_gateway: Gateway, tmp_path: Path, database_dsn: str) -> None:
    own = Bot(tmp_path / "own", own_gateway)
    own.environment["DATABASE_URL"] = database_dsn
    own.start()
    try:
        wait_for(lambda: own.status()["database"]["written"] > 0)
        assert own.status()["database"]["pid"] is None
        assert not (tmp_path / "own" / "state" / "postgres").exists()
    finally:
        assert own.stop() == 0


def test_a_database_that_does_not_answer_exits_with_12(own_gateway: Gateway, tmp_path: Path) -> None:
    alone = Bot(tmp_path / "alone", own_gateway)
    alone.environment["DATABASE_URL"] = "postgresql://bot:hush-hush@127.0.0.1:1/trading_bot"
    done = alone.raw("run")
    assert done.returncode == 12, done.stderr
    assert "DATABASE_URL" in done.stderr
    assert "hush-hush" not in done.stderr
