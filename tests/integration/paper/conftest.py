"""A running paper gateway on loopback sockets, and a plain client for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.model.times import parse_ts
from bot.paper.config import PaperConfig
from bot.paper.server import PaperGateway

START = parse_ts("2025-10-01T14:30:00Z")


class Client:
    """REST calls with a token; `control` reaches the control side."""

    def __init__(self, gateway: PaperGateway, session: aiohttp.ClientSession) -> None:
        self.gateway, self.session, self.token = gateway, session, ""

    async def login(self) -> None:
        self.token = (await self.call("Auth/loginKey", userName="paper", apiKey="paper-key"))["token"]

    async def call(self, path: str, **body: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url = f"{self.gateway.url}/api/{path}"
        async with self.session.post(url, json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def control(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {token or self.gateway.control_token}"}
        url = f"{self.gateway.control_url}/paper/{path}"
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            return answer.status, (await answer.json() if answer.content_length else None)


@pytest.fixture
async def gateway() -> AsyncIterator[PaperGateway]:
    running = PaperGateway(PaperConfig(start_ns=START, rate=10.0, profile="fast"))
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def client(gateway: PaperGateway) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        client = Client(gateway, session)
        await client.login()
        yield client
