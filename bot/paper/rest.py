"""The REST side: routes, and the checks 404, 405, 401, 429, 400, business in this order (gateway.md 3.3)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from bot.paper import fields, spoiling
from bot.paper.answers import Answer, refused
from bot.paper.bars import Bars
from bot.paper.changes import Changes, read_modification
from bot.paper.endpoints import ENDPOINTS, LAGGING, LISTS, PENDING_CODES
from bot.paper.faults import Fault
from bot.paper.fields import BadRequest, Members
from bot.paper.logins import Logins
from bot.paper.matching import Matching
from bot.paper.options import PaperOptions
from bot.paper.placing import Placing, read_ask
from bot.paper.rates import BARS, GENERAL, ORDERS, Rates
from bot.paper.reads import Query, Reads
from bot.paper.rejecting import rejected
from bot.paper.reply import JSON, Reply, problem
from bot.paper.rows import RequestRow
from bot.paper.state import State
from bot.paper.tokens import Claims, Tokens

KEPT_BODY = 2_048
"""Bytes of a mutation's body that the ledger keeps."""

MUTATIONS = frozenset({"place", "modify", "cancel", "close", "partial"})
LOGINS = frozenset({"login", "loginApp"})
BODILESS = frozenset({"validate", "logout"})
_ROUTES = {path.lower(): name for name, path in ENDPOINTS.items()}
_UNAUTHORIZED = {"WWW-Authenticate": "Bearer"}
_SCALARS = {
    "place": "orderId",
    "login": "token",
    "loginApp": "token",
    "validate": "newToken",
    "contract": "contract",
    "order": "order",
}


@dataclass(frozen=True)
class Call:
    """One request on its way."""

    method: str
    path: str
    endpoint: str
    headers: Mapping[str, str]
    body: bytes
    ts: int

    @cached_property
    def whose(self) -> tuple[int | None, str | None]:
        """The account and the contract that it names."""
        return spoiling.whose(self.body)


class Rest:
    """Serves REST requests of one venue at a venue time."""

    def __init__(self, state: State, matching: Matching, tokens: Tokens, bars: Bars) -> None:
        self._state, self._tokens, self._bars = state, tokens, bars
        self._placing, self._changes = Placing(state, matching), Changes(state, matching)
        self._reads, self._logins = Reads(state), Logins(state, tokens)
        self._rates = Rates(state.options)
        self._random = random.Random(state.config.seed)  # noqa: S311 - a latency, not a secret
        self._requests = 0
        reads = self._reads
        self._queries = {
            "accounts": reads.accounts, "contracts": reads.contracts, "contract": reads.contract,
            "available": reads.available, "bars": bars.retrieve, "orders": reads.orders,
            "open_orders": reads.open_orders, "order": reads.order, "query": reads.query,
            "positions": reads.positions, "trades": reads.trades,
        }  # fmt: skip

    def serve(self, method: str, path: str, headers: Mapping[str, str], body: bytes, ts: int) -> Reply:
        """Answer one request and write it into the ledger."""
        path = path.partition("?")[0]
        endpoint = _ROUTES.get(path.lower())
        row = RequestRow(id=0, ts=ts, method=method, path=path, status=0)
        call = Call(method, path, endpoint or "", headers, body, ts)
        reply = self._checked(call, row)
        if reply.body and self._strike("zoneless", call, row) is not None:
            reply.body = spoiling.zoneless(reply.body)
        self._requests += 1
        row.id, row.status = self._requests, reply.status
        self._state.ledger.write(ts, "request", row)
        low, high = self._state.latency.answer
        if reply.mode == "answer" and high:
            reply.after += self._random.randint(low, high)
        return reply

    def endpoint_of(self, path: str) -> str:
        """The short name of a path's endpoint, empty for unknown ones."""
        return _ROUTES.get(path.partition("?")[0].lower(), "")

    def restore(self, serial: int) -> None:
        """Go on counting requests after an earlier run."""
        self._requests = max(self._requests, serial)

    def take_options(self, options: PaperOptions) -> None:
        """Go on under changed options."""
        self._rates.take_options(options)

    def _checked(self, call: Call, row: RequestRow) -> Reply:
        if not call.endpoint:
            return Reply(status=404)
        wanted = "GET" if call.endpoint == "ping" else "POST"
        if call.method != wanted:
            return Reply(status=405, headers={"Allow": wanted})
        if call.endpoint in MUTATIONS:
            row.body = call.body[:KEPT_BODY].decode("utf-8", "replace")
        struck = self._strike("http", call, row)
        if struck is not None:
            return spoiling.unexecuted(struck)
        verdict, claims = self._tokens.check(bearer(call.headers), call.ts)
        needs_token = call.endpoint not in LOGINS and (
            call.endpoint != "ping" or self._state.options.ping_auth
        )
        if needs_token and verdict != "ok":
            code3 = self._state.options.validate_expired == "code3"
            if not (call.endpoint == "validate" and verdict == "expired" and code3):
                return Reply(status=401, headers=_UNAUTHORIZED)
        if call.endpoint == "ping":
            return self._ping()
        if not self._within_rate(call, claims):
            after = self._state.options.rate_retry_after
            return Reply(status=429, headers={} if after is None else {"Retry-After": str(after)})
        if call.endpoint in BODILESS and claims is not None:
            return self._settle(call, row, self._bodiless(call, verdict, claims))
        if call.body.strip() and not _is_json(call.headers):
            return problem(415, "Unsupported Media Type")
        try:
            return self._settle(call, row, self._bound(call, fields.read(call.body), row))
        except BadRequest as refusal:
            return problem(400, "One or more validation errors occurred.", refusal.errors)

    def _bound(self, call: Call, body: Members, row: RequestRow) -> Answer | None:
        """The answer of an endpoint with a body; binding comes before business."""
        run = self._bind(call, body, row)
        if self._state.options.strict_fields and body.unread():
            raise BadRequest({name: ["Unknown member."] for name in body.unread()})
        struck = self._strike("refuse", call, row)
        if struck is not None:
            if struck.with_id and call.endpoint == "place":
                return rejected(self._state, read_ask(body), struck, call.ts)
            name = LISTS.get(call.endpoint) or _SCALARS.get(call.endpoint)
            return refused(struck.code or 2, struck.text, **({name: None} if name else {}))
        return run()

    def _bind(self, call: Call, body: Members, row: RequestRow) -> Query:
        name, ts = call.endpoint, call.ts
        if name in self._queries:
            lag = self._strike("lag", call, row) if name in LAGGING else None
            if lag is not None:
                until = ts - lag.wait
                return getattr(Reads(self._state.as_of(until)), name)(body)  # type: ignore[no-any-return]
            return self._queries[name](body)
        if name == "place":
            ask = read_ask(body)
            return lambda: self._placing.place(ask, ts)
        if name == "modify":
            new = read_modification(body)
            return lambda: self._changes.modify(new, ts)
        if name == "cancel":
            account, order = body.i32("accountId"), body.i64("orderId")
            return lambda: self._changes.cancel(account, order, ts)
        if name in ("close", "partial"):
            owner, contract = body.i32("accountId"), body.text("contractId")
            size = body.i32("size") if name == "partial" else None
            return lambda: self._changes.close(
                owner, contract, size, ts, partial=name == "partial",
                lie=self._strike("close.lie", call, row) is not None,
            )  # fmt: skip
        answer = self._logins.login_key(body, ts) if name == "login" else self._logins.login_app(body)
        return lambda: answer

    def _bodiless(self, call: Call, verdict: str, claims: Claims) -> Answer:
        if call.endpoint == "logout":
            return self._logins.logout(claims, call.ts)
        return self._logins.validate(claims, call.ts) if verdict == "ok" else self._logins.expired()

    def _settle(self, call: Call, row: RequestRow, answer: Answer | None) -> Reply:
        """The executed answer, or what a fault makes of it."""
        assert answer is not None
        row.code, row.order = answer.code, answer.order
        if self._state.faults.armed:
            emptied = LISTS.get(call.endpoint)
            if emptied is not None and self._strike("null", call, row) is not None:
                answer.payload[emptied] = None
            unsettled = None
            if call.endpoint in PENDING_CODES and answer.code == 0:
                unsettled = self._strike("pending", call, row)
            if unsettled is not None:
                answer = spoiling.unsettled(unsettled, call.endpoint, answer)
                row.code = answer.code
            for kind in ("accept_then", "drop", "delay"):
                struck = self._strike(kind, call, row)
                if struck is not None:
                    return spoiling.spoiled(struck, answer.reply())
        return answer.reply()

    def _strike(self, kind: str, call: Call, row: RequestRow) -> Fault | None:
        faults = self._state.faults
        if not faults.armed:
            return None
        struck = faults.strike(kind, call.endpoint, *call.whose)
        if struck is not None:
            row.fault = kind
        return struck

    def _within_rate(self, call: Call, claims: Claims | None) -> bool:
        scope = self._state.options.rate_scope
        key = "ip"
        if call.endpoint in LOGINS and scope != "ip":
            key = _login_name(call.body)
        elif claims is not None and scope != "ip":
            key = claims.sub.casefold() if scope == "user" else str(claims.jti)
        buckets = (
            (BARS,)
            if call.endpoint == "bars"
            else (GENERAL, ORDERS)
            if call.endpoint == "place"
            else (GENERAL,)
        )
        return self._rates.take(buckets, key, call.ts)

    def _ping(self) -> Reply:
        if self._state.options.ping_body == "json":
            return Reply(headers=JSON, body=b'"pong"')
        return Reply(headers={"Content-Type": "text/plain; charset=utf-8"}, body=b"pong")


def bearer(headers: Mapping[str, str]) -> str:
    """The token of an Authorization header, whatever the case of the header's name."""
    for name, value in headers.items():
        if name.lower() == "authorization":
            scheme, _, token = value.partition(" ")
            return token.strip() if scheme.lower() == "bearer" else ""
    return ""


def _is_json(headers: Mapping[str, str]) -> bool:
    for name, value in headers.items():
        if name.lower() == "content-type":
            kind = value.partition(";")[0].strip().lower()
            return kind in ("application/json", "text/json") or (
                kind.startswith("application/") and kind.endswith("+json")
            )
    return False


def _login_name(body: bytes) -> str:
    try:
        return (fields.read(body).text_or_none("userName") or "").casefold()
    except BadRequest:
        return ""
