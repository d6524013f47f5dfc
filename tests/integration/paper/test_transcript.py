"""The transcript holds what crossed the wire, both ways, and no credential."""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.model.errors import BotError
from bot.paper.config import PaperConfig
from bot.paper.server import PaperGateway
from bot.paper.transcript import Transcript
from tests.integration.app.session import Gateway
from tests.integration.paper.conftest import START, Client

END = "\x1e"


async def recorded(path: Path) -> tuple[list[dict[str, Any]], str]:
    """The lines of a short session, and the token that it used."""
    token = await session(path)
    return read(path), token


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def session(path: Path) -> str:
    gateway = PaperGateway(PaperConfig(start_ns=START, rate=10.0, profile="fast"), transcript=path)
    await gateway.start()
    try:
        async with aiohttp.ClientSession() as http:
            client = Client(gateway, http)
            await client.login()
            await client.call("Account/search", onlyActiveAccounts=True)
            url = f"{gateway.url}/hubs/user?access_token={client.token}"
            async with http.ws_connect(url) as socket:
                await socket.send_str(json.dumps({"protocol": "json", "version": 1}) + END)
                assert (await socket.receive()).data == "{}" + END
                await socket.ping(b"here")
                headers = {"Authorization": f"Bearer {client.token}"}
                call = {"type": 1, "invocationId": "7", "target": "SubscribeAccounts", "arguments": []}
                await socket.send_str(json.dumps(call | {"headers": headers}) + END)
                while '"type":3' not in (await socket.receive()).data:
                    pass
    finally:
        await gateway.stop()
    return client.token


async def test_both_directions_are_written_in_their_order(tmp_path: Path) -> None:
    lines, _ = await recorded(tmp_path / "wire.jsonl")
    calls = [line for line in lines if line["kind"] in ("request", "answer")]
    assert [line.get("path", "").split("?")[0] or line["status"] for line in calls] == [
        "/api/Auth/loginKey", 200, "/api/Account/search", 200, "/hubs/user", 101,
    ]  # fmt: skip
    assert json.loads(calls[2]["body"]) == {"onlyActiveAccounts": True}
    assert json.loads(calls[3]["body"])["accounts"][0]["id"] == 1001
    frames = [(line["by"], line["opcode"], line["data"]) for line in lines if line["kind"] == "frame"]
    assert frames[0] == ("client", "text", '{"protocol": "json", "version": 1}' + END)
    assert frames[1] == ("server", "text", "{}" + END)
    assert ("client", "ping", "here") in frames
    assert ("server", "pong", "here") in frames
    assert any(data.startswith('{"type":3,"invocationId":"7"') for _, _, data in frames)
    assert ("client", "close", "1000") in frames
    stamps = [line["at"] for line in lines]
    assert stamps == sorted(stamps)
    assert {line["connection"] for line in lines if line["kind"] == "open"} == {
        line["connection"] for line in lines if line["kind"] == "end"
    }


async def test_credentials_are_numbered_and_never_written(tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl"
    lines, token = await recorded(path)
    text = path.read_text()
    assert token not in text
    assert "paper-key" not in text
    given = json.loads(next(line["body"] for line in lines if line["kind"] == "answer"))["token"]
    asked = next(line for line in lines if line.get("path") == "/api/Account/search")
    assert given == "<jwt 2>"
    assert ["Authorization", f"Bearer {given}"] in asked["headers"]
    assert f"access_token={given}" in next(line["path"] for line in lines if "hubs" in line.get("path", ""))
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "body",
    [
        '{"userName":"paper","apiKey":"paper-key"}',
        '{"USERNAME":"paper","APIKEY" : "paper-key"}',
        '{"apiKey":"paper-key',
        "userName=paper&apiKey=paper-key",
        'Bearer paper-key", "x"',
    ],
)
def test_a_key_is_hidden_in_whatever_form_it_is_sent(tmp_path: Path, body: str) -> None:
    path = tmp_path / "wire.jsonl"
    transcript = Transcript(path, lambda: 0)
    transcript.write("request", 1, body=body, headers=[["X-Copy", body]])
    transcript.close()
    assert "paper-key" not in path.read_text()
    assert "<credential 1>" in path.read_text()


async def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    gateway = PaperGateway(PaperConfig(start_ns=START), transcript=tmp_path / "absent" / "wire.jsonl")
    with pytest.raises(BotError, match="transcript"):
        await gateway.start()


def test_the_command_writes_one_for_a_gateway_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl"
    gateway = Gateway(tmp_path / "paper", f"transcript-{os.getpid()}", transcript=path)
    gateway.start()
    try:
        with urllib.request.urlopen(f"{gateway.url}/api/Status/ping", timeout=30) as answer:
            assert answer.read() == b"pong"
        kinds = [(line["kind"], line.get("path", line.get("body"))) for line in read(path)]
    finally:
        gateway.kill()
    assert kinds[:3] == [("open", None), ("request", "/api/Status/ping"), ("answer", "pong")]
