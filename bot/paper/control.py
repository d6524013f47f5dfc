"""The control side: faults, market moves, accounts, the judge. Its own listener, its own token."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from bot.model.errors import BadField, BotError
from bot.model.quantities import parse_decimal
from bot.paper.overview import overview
from bot.paper.rest import bearer
from bot.paper.scripting import Scripts
from bot.paper.venue import PaperVenue

LONGEST_MOVE_S = 86_400
MOST_TICKS = 10**9
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """Handlers behind `Authorization: Bearer <control token>`; the clock needs none."""

    def __init__(self, venue: PaperVenue, token: str, clock: Handler) -> None:
        self._venue, self._token, self._clock = venue, token, clock
        self.woken: Callable[[], None] = lambda: None

    def application(self) -> web.Application:
        """The routes under /paper."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/paper/clock", self._clock)
        app.router.add_get("/paper/judge", self._judge)
        app.router.add_get("/paper/overview", self._overview)
        app.router.add_get("/paper/ledger", self._ledger)
        app.router.add_get("/paper/faults", self._faults)
        app.router.add_post("/paper/faults", self._inject)
        app.router.add_delete("/paper/faults", self._clear)
        Scripts(self._venue).routes(app)
        app.router.add_get("/paper/market", self._prices)
        app.router.add_post("/paper/market", self._move)
        app.router.add_get("/paper/accounts", self._accounts)
        app.router.add_post("/paper/accounts", self._change)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path != "/paper/clock" and not hmac.compare_digest(
            bearer(request.headers).encode(errors="replace"), self._token.encode()
        ):
            return web.Response(status=401)
        try:
            return await handler(request)
        except BotError as problem:
            return web.json_response({"code": problem.code, "error": str(problem)}, status=400)
        finally:
            self.woken()

    async def _judge(self, _request: web.Request) -> web.Response:
        return _json(self._venue.verdict())

    async def _overview(self, _request: web.Request) -> web.Response:
        return _json(overview(self._venue))

    async def _ledger(self, _request: web.Request) -> web.Response:
        """All records by kind, in their order."""
        self._venue.verdict()
        return _json(self._venue.records())

    async def _faults(self, _request: web.Request) -> web.Response:
        self._venue.verdict()
        self._venue.faults.forget_over()
        return _json(self._venue.faults.armed)

    async def _inject(self, request: web.Request) -> web.Response:
        return _json(self._venue.inject(await _object(request)))

    async def _clear(self, _request: web.Request) -> web.Response:
        self._venue.faults.clear()
        return web.Response(status=204)

    async def _prices(self, _request: web.Request) -> web.Response:
        self._venue.verdict()
        return _json(self._venue.prices())

    async def _move(self, request: web.Request) -> web.Response:
        """`{contract_id, price | ticks, seconds}`: price decimal text or number, seconds of venue time."""
        body = await _object(request)
        contract_id, seconds = body.get("contract_id"), body.get("seconds", 1)
        if not isinstance(contract_id, str):
            raise BadField("contract_id", expected="the id of a contract with a market", seen=contract_id)
        if type(seconds) not in (int, float) or not 0 <= seconds <= LONGEST_MOVE_S:  # type: ignore[operator]
            raise BadField("seconds", expected=f"venue seconds from 0 to {LONGEST_MOVE_S}", seen=seconds)
        contract = self._venue.state.catalogue.find(contract_id, self._venue.state.now)
        if contract is None:
            raise BadField("contract_id", expected="a contract with a market", seen=contract_id)
        if "ticks" in body:
            target = body["ticks"]
        else:
            target, on_tick = contract.tick.ratio_ticks(*parse_decimal(str(body.get("price"))))
            if not on_tick:
                raise BadField("price", expected="a multiple of the contract's tick", seen=body["price"])
        if type(target) is not int or abs(target) > MOST_TICKS:
            raise BadField("ticks", expected=f"a whole number, at most {MOST_TICKS} either way", seen=target)
        self._venue.push(contract_id, target, float(seconds))  # type: ignore[arg-type]
        return _json({"contract_id": contract_id, "ticks": target, "seconds": seconds})

    async def _accounts(self, _request: web.Request) -> web.Response:
        return _json(self._venue.accounts())

    async def _change(self, request: web.Request) -> web.Response:
        self._venue.change_account(await _object(request))
        return _json(self._venue.accounts())


async def _object(request: web.Request) -> dict[str, object]:
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError) as problem:
        raise BadField("body", expected="a JSON object", seen=str(problem)) from problem
    if not isinstance(body, dict):
        raise BadField("body", expected="a JSON object", seen=type(body).__name__)
    return body


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
