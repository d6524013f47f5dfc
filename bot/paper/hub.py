"""A hub: who is connected, who wants what, and the way of each event to them (gateway.md 10-12)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Literal

from bot.clock import Clock
from bot.paper import records, spoiling, wire
from bot.paper.faults import Fault
from bot.paper.hub_session import Closed, HubSession, Send
from bot.paper.judge import Judge
from bot.paper.reply import JSON, Reply
from bot.paper.state import State
from bot.paper.tokens import Tokens

PENDING_IDS = 1_024
"""Negotiated connection ids that wait for their socket; the oldest goes when full."""

HubName = Literal["user", "market"]
Topic = tuple[str, object]
Snapshot = Callable[[str, Any], list[bytes]]
_ERROR = "Failed to invoke '{}' due to an error on the server."


class HubRefused(Exception):
    """The upgrade is answered with this HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class HubCore:
    """`methods` maps the lower-case name behind (Un)subscribe to its topic and argument type."""

    def __init__(
        self, name: HubName, state: State, tokens: Tokens, clock: Clock, judge: Judge,
        methods: Mapping[str, tuple[str, type | None]],
    ) -> None:  # fmt: skip
        self.name, self.state = name, state
        self._tokens, self._clock, self._judge, self._methods = tokens, clock, judge, methods
        self.sessions: dict[HubSession, None] = {}
        self.snapshot: Snapshot = lambda _topic, _argument: []
        self.known: Callable[[Any], bool] = lambda _argument: True
        self.noticed: Callable[[str], None] = lambda _what: None
        self._held: list[tuple[Topic, bytes]] = []
        self._topics: dict[Topic, dict[HubSession, int]] = {}
        self._waiting: dict[str, bool] = {}
        self._ids = 0

    def host_now(self) -> int:
        """Host time of the keep-alive."""
        return self._clock.host_mono()

    def negotiate(self, token: str, version: int) -> Reply:
        """The answer to `POST negotiate` (14.5); 401 without a good token. An edge filter stands before both."""
        fault = self.state.faults.strike_event("hub.403", self.name, "negotiate")
        if fault is not None:
            return Reply(status=fault.status or 403)
        if self._tokens.check(token, self.state.now)[0] != "ok":
            return Reply(status=401)
        self._ids += 1
        connection, connection_token = (
            base64.urlsafe_b64encode(
                hashlib.sha256(f"{self.state.config.seed} {self.name} {self._ids} {what}".encode()).digest()[:16]
            ).decode().rstrip("=")
            for what in ("id", "token")
        )  # fmt: skip
        body: dict[str, object] = {"connectionId": connection}
        if version >= 1:
            body["connectionToken"] = connection_token
        body["negotiateVersion"] = min(version, 1)
        body["availableTransports"] = [{"transport": "WebSockets", "transferFormats": ["Text"]}]
        if len(self._waiting) >= PENDING_IDS:
            del self._waiting[next(iter(self._waiting))]
        self._waiting[connection_token if version >= 1 else connection] = False
        return Reply(headers=JSON, body=wire.to_json(body))

    def connect(self, token: str, send: Send, closed: Closed, connection_id: str | None = None) -> HubSession:
        """A new connection. Raises HubRefused with 401, 403, 404 (unknown id) or 409 (id in use)."""
        fault = self.state.faults.strike_event("hub.403", self.name, "")
        if fault is not None:
            raise HubRefused(fault.status or 403)
        verdict, claims = self._tokens.check(token, self._clock.now())
        if verdict != "ok" or claims is None:
            raise HubRefused(401)
        if connection_id is not None:
            if connection_id not in self._waiting:
                raise HubRefused(404)
            if self._waiting[connection_id]:
                raise HubRefused(409)
            self._waiting[connection_id] = True
        session = HubSession(self, claims, send, closed, self.host_now(), connection_id)
        self.sessions[session] = None
        self._judge.connected(self.name, 1)
        self.noticed("connected")
        return session

    def invoke(self, session: HubSession, name: str, arguments: list[Any]) -> tuple[str | None, list[bytes]]:
        """Run a hub method: an error text or None, and the records that follow the completion."""
        lower = name.lower()
        adding = lower.startswith("subscribe")
        method = self._methods.get(lower.removeprefix("subscribe" if adding else "unsubscribe"))
        if method is None or not (adding or lower.startswith("unsubscribe")):
            return f"{_ERROR.format(name)} HubException: Method does not exist.", []
        topic, wanted = method
        if len(arguments) != (0 if wanted is None else 1) or (wanted and type(arguments[0]) is not wanted):
            return _ERROR.format(name), []
        argument = arguments[0] if arguments else None
        if argument is not None and not self.known(argument):
            return (_ERROR.format(name) if self.state.options.subscribe_unknown == "error" else None), []
        listeners = self._topics.setdefault((topic, argument), {})
        if not adding:
            listeners.pop(session, None)
            return None, []
        if self.state.options.subscribe_dup == "twice":
            listeners[session] = listeners.get(session, 0) + 1
        elif session in listeners:
            return None, []
        else:
            listeners[session] = 1
        return None, self.snapshot(topic, argument)

    def wanted(self, topic: str, argument: object) -> bool:
        """Whether anybody subscribed to it."""
        return bool(self._topics.get((topic, argument)))

    def publish(self, topic: str, argument: object, target: str, record: bytes) -> None:
        """Send one event to its subscribers, unless a fault loses, delays, doubles or moves it."""
        if not self.state.faults.armed and not self._held:
            self._deliver((topic, argument), record)
            return

        def struck(kind: str) -> Fault | None:
            return self.state.faults.strike_event(kind, self.name, target, argument)

        if struck("hub.lose") is not None:
            return
        if struck("hub.zoneless") is not None:
            record = spoiling.zoneless(record)
        late = struck("hub.late")
        if late is not None:
            due = self.state.now + late.wait
            self.state.timers.at(due, lambda _: self._deliver((topic, argument), record))
            return
        moved = None if self._held else struck("hub.reorder")
        if moved is not None:
            self._held.append(((topic, argument), record))
            self.state.timers.at(self.state.now + moved.wait, lambda _: self._release())
            return
        if struck("hub.dup") is not None:
            self._deliver((topic, argument), record)
        self._deliver((topic, argument), record)
        self._release()

    def strike(self, fault: Fault) -> None:
        """Do to all connections what `hub.drop`, `hub.logout` and `hub.unknown` say."""
        for session in tuple(self.sessions):
            if fault.fault == "hub.logout":
                session.push(records.event("GatewayLogout", list(self.state.options.logout_args)))
            elif fault.fault == "hub.unknown":
                session.push(records.unknown(fault.type))
            elif fault.how == "tcp":
                session.cut()
            elif fault.how in ("stall", "pings"):
                session.silence = "all" if fault.how == "stall" else "but_pings"
                if fault.seconds is not None:
                    self.state.timers.at(self.state.now + fault.wait, session.speak)
            else:
                error = "Connection closed with an error." if fault.with_error else None
                session.close(error, fault.allow_reconnect)

    def end_all(self) -> None:
        """Close all connections with a close record."""
        for session in tuple(self.sessions):
            session.close("Connection closed with an error.")

    def tick(self, host_now: int, now: int) -> None:
        """Keep-alive of all connections, and the end of those whose token ended, if so set."""
        for session in tuple(self.sessions):
            session.tick(host_now)
            drops = self.state.options.hub_on_token_expiry == "drop"  # noqa: S105 - a policy
            if drops and self._tokens.expired(session.claims, now):
                session.close("Connection closed with an error.")

    def due(self) -> int | None:
        """The host time of the next keep-alive duty."""
        return min((session.due() for session in self.sessions), default=None)

    def forget(self, session: HubSession) -> None:
        """A connection is over; nothing of it stays."""
        if session in self.sessions:
            del self.sessions[session]
            self._judge.connected(self.name, -1)
            self._waiting.pop(session.connection_id or "", None)
            self.noticed("closed")
        for listeners in self._topics.values():
            listeners.pop(session, None)

    def _release(self) -> None:
        held, self._held = self._held, []
        for topic, record in held:
            self._deliver(topic, record)

    def _deliver(self, topic: Topic, record: bytes) -> None:
        for session, times in tuple(self._topics.get(topic, {}).items()):
            for _ in range(times):
                session.push(record)
