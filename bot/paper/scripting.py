"""Scripts by file, text and control side: read, checked against a gateway's settings, shown as a table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from aiohttp import web

from bot.calendar.sessions import SessionCalendar
from bot.paper.config import PaperConfig
from bot.paper.market.feed import Market
from bot.paper.script.check import World, resolve
from bot.paper.script.plan import Plan
from bot.paper.script.read import parse, read
from bot.paper.venue import PaperVenue

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def plan_of(path: Path, config: PaperConfig, market: Market) -> Plan:
    """What the script of a file would do on a gateway of these settings. Raises ScriptError."""
    script, source = read(path)
    world = World(
        start=config.start_ns, now=config.start_ns, rate=config.rate, contracts=market.contracts,
        accounts=[account.id for account in config.accounts], calendar=SessionCalendar.shipped(),
    )  # fmt: skip
    return resolve(script, world, source)


class Scripts:
    """`/paper/script` of the control side: POST a script as YAML or JSON, GET what runs, DELETE to stop all."""

    def __init__(self, venue: PaperVenue) -> None:
        self._venue = venue

    def routes(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/paper/script", self._show)
        app.router.add_post("/paper/script", self._play)
        app.router.add_delete("/paper/script", self._stop)

    async def _play(self, request: web.Request) -> web.Response:
        """Run the body's script from now on; with `?dry_run=1` only show its plan."""
        text = (await request.read()).decode("utf-8", "replace")
        script, source = parse(text, request.query.get("name", "script"))
        if request.query.get("dry_run") == "1":
            self._venue.verdict()
            plan = resolve(script, self._venue.stage.world(), source)
        else:
            plan = self._venue.play(script, source).plan
        return _json({"name": script.name, "steps": len(script.steps), "plan": plan.rows()})

    async def _show(self, _request: web.Request) -> web.Response:
        self._venue.verdict()
        plays = [
            {"name": play.plan.script.name, "seed": play.plan.script.seed, "steps": play.status()}
            for play in self._venue.stage.plays
        ]
        return _json(plays)

    async def _stop(self, _request: web.Request) -> web.Response:
        self._venue.stage.end()
        return web.Response(status=204)


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
