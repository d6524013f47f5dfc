"""A transcript as calls and hub links, and what it tells of the client's habits.

Written from the wire specification and from the transcript's own format, not from the gateway's code.
Numbers keep their text (`Number`), so that their grammar can be judged.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

SECOND = 1_000_000_000
END = "\x1e"


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


class Doubled(ValueError):
    """A JSON object names a member twice."""


def parse(text: str) -> Any:
    """JSON with exact numbers. Raises ValueError, Doubled for a member that occurs twice."""
    return json.loads(text, parse_float=Number, parse_int=Number, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise Doubled(", ".join(name for name, _ in pairs))
    return dict(pairs)


@dataclass
class Message:
    """A request or an answer."""

    at: int
    headers: list[list[str]]
    body: str
    status: int = 0

    def header(self, name: str) -> str | None:
        """The first header of this name, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass
class Call:
    """A request with its answer; None where the connection ended without one."""

    connection: int
    method: str
    path: str
    query: dict[str, list[str]]
    request: Message
    answer: Message | None = None

    @property
    def status(self) -> int:
        """The answer's status, 0 without an answer."""
        return 0 if self.answer is None else self.answer.status


@dataclass
class Frame:
    """One WebSocket message or control frame."""

    at: int
    by: str
    opcode: str
    data: str
    masked: bool

    def records(self) -> list[Any]:
        """The SignalR records of a text frame. Raises ValueError."""
        return [parse(part) for part in self.data.split(END) if part]


@dataclass
class Link:
    """One hub connection from its upgrade to its end."""

    hub: str
    call: Call
    frames: list[Frame] = field(default_factory=list)
    ended: int | None = None
    ended_by: str = ""

    def records(self, by: str) -> Iterator[tuple[int, Any]]:
        """The records of one side with their stamps; the first of each side is the handshake."""
        for frame in self.frames:
            if frame.by == by and frame.opcode == "text":
                for record in frame.records():
                    yield frame.at, record

    def typed(self, by: str, type_: int) -> list[tuple[int, dict[str, Any]]]:
        """The records of one type, the handshake left out."""
        return [(at, record) for at, record in self.records(by) if record.get("type") == str(type_)]

    @property
    def handshake(self) -> dict[str, Any]:
        """The client's first record, empty when it sent none."""
        return next((record for _, record in self.records("client")), {})

    @property
    def invoked(self) -> list[str]:
        """The methods that the client called, in their order."""
        return [record["target"] for _, record in self.typed("client", 1)]

    @property
    def negotiated(self) -> bool:
        """Whether the upgrade names a connection."""
        return "id" in self.call.query

    @property
    def token_in(self) -> set[str]:
        """Where the client put its token: `query`, `header`."""
        places = {"query"} if "access_token" in self.call.query else set()
        return places | ({"header"} if self.call.request.header("authorization") else set())

    def socket_pings(self, by: str) -> list[int]:
        """The stamps of WebSocket pings."""
        return [frame.at for frame in self.frames if frame.by == by and frame.opcode == "ping"]

    @property
    def seconds(self) -> float:
        """How long the link was up."""
        return ((self.ended or self.frames[-1].at) - self.call.request.at) / SECOND


class Recording:
    """A transcript file, read once."""

    def __init__(self, path: Path) -> None:
        self.calls: list[Call] = []
        self.links: list[Link] = []
        self.unreadable: list[str] = []
        waiting: dict[int, list[Call]] = {}
        open_links: dict[int, Link] = {}
        for line in path.read_text().splitlines():
            row = json.loads(line)
            number, kind = row["connection"], row["kind"]
            if kind == "request":
                parts = urlsplit(row["path"])
                message = Message(row["at"], row["headers"], row["body"])
                query = parse_qs(parts.query, keep_blank_values=True)
                call = Call(number, row["method"], parts.path, query, message)
                self.calls.append(call)
                waiting.setdefault(number, []).append(call)
            elif kind == "answer" and not waiting.get(number):
                self.unreadable.append(f"connection {number}: an answer without a request")
            elif kind == "answer":
                call = waiting[number].pop(0)
                call.answer = Message(row["at"], row["headers"], row["body"], row["status"])
                if row["status"] == 101:
                    link = Link(call.path.removeprefix("/hubs/"), call)
                    open_links[number] = link
                    self.links.append(link)
            elif kind == "frame":
                open_links[number].frames.append(
                    Frame(row["at"], row["by"], row["opcode"], row["data"], row["masked"])
                )
            elif kind == "unreadable":
                self.unreadable.append(f"connection {number}, {row['by']}: {row['why']}")
            elif kind == "end" and number in open_links:
                open_links[number].ended, open_links[number].ended_by = row["at"], row["by"]

    def of(self, path: str) -> list[Call]:
        """The calls of one path."""
        return [call for call in self.calls if call.path == path]

    def hub(self, name: str) -> list[Link]:
        """The links of one hub, in the order of their upgrades."""
        return [link for link in self.links if link.hub == name]

    @property
    def endpoints(self) -> Counter[str]:
        """How often each REST endpoint was called, as `Order/place`."""
        return Counter(
            call.path.removeprefix("/api/") for call in self.calls if call.path.startswith("/api/")
        )

    @property
    def negotiations(self) -> list[str]:
        """The `negotiateVersion` of each negotiation, `absent` where it is not named."""
        return [
            call.query.get("negotiateVersion", ["absent"])[0]
            for call in self.calls
            if call.path.endswith("/negotiate") and call.method == "POST"
        ]
