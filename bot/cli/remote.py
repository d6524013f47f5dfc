"""One-shot commands through the API of a running bot."""

from __future__ import annotations

from typing import Any

import aiohttp
import msgspec

from bot.model.errors import BotError, ProtocolError, VenueUnreachable
from bot.servers.announcement import Announcement


class Refused(BotError):
    """The running bot's answer to a command that it did not carry out."""

    def __init__(self, code: str, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.code, self.exit_code = code, exit_code


class RemoteBot:
    """The running bot behind an announcement; every call is one request."""

    def __init__(self, found: Announcement, timeout_s: float = 60.0) -> None:
        self._found = found
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """The decoded answer. Raises Refused, ProtocolError, VenueUnreachable."""
        headers = {"Authorization": f"Bearer {self._found.token}", "Content-Type": "application/json"}
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout, trust_env=False) as session,
                session.request(
                    method, self._found.url + path, headers=headers, allow_redirects=False,
                    data=None if body is None else msgspec.json.encode(body),
                ) as response,
            ):  # fmt: skip
                raw, status = await response.read(), response.status
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise VenueUnreachable(
                f"the running bot (process {self._found.pid}) does not answer at {self._found.url}",
                expected="an answer", seen=type(problem).__name__, do="look at its log, or stop it and try again",
            ) from problem  # fmt: skip
        try:
            answer = msgspec.json.decode(raw)
        except msgspec.MsgspecError as problem:
            raise ProtocolError("answer of the running bot", expected="JSON", seen=raw[:80]) from problem
        if isinstance(answer, dict) and "error" in answer and status >= 400:
            error = answer["error"]
            raise Refused(error["code"], error["message"], error.get("exit_code", 1))
        return answer
