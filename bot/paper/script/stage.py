"""The scripts that run on one venue, and what they hear of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from bot.paper.script.check import World, resolve
from bot.paper.script.errors import Source
from bot.paper.script.play import Handler, Play
from bot.paper.script.steps import Script

if TYPE_CHECKING:
    from bot.clock import Clock
    from bot.paper.venue import PaperVenue


class Stage:
    """`play` checks and starts a script; requests and hub connections are told to all that run."""

    def __init__(self, venue: PaperVenue, clock: Clock) -> None:
        self._venue, self._clock = venue, clock
        self.plays: list[Play] = []

    def world(self, start: int | None = None, machine: Collection[str] = ()) -> World:
        """What a script for this venue is checked against; its spans count from `start`, by default from now."""
        state = self._venue.state
        start = state.now if start is None else start
        return World(
            start=start, now=start, rate=self._clock.rate, contracts=self._venue.contracts,
            accounts=tuple(state.accounts), calendar=state.calendar, machine=machine,
        )  # fmt: skip

    def play(
        self, script: Script, source: Source | None, start: int | None, machine: Mapping[str, Handler]
    ) -> Play:
        """Run a script from `start` on. Raises ScriptError; then nothing of it runs."""
        plan = resolve(script, self.world(start, machine), source)
        play = Play(self._venue, plan, machine)
        self.plays.append(play)
        self._venue.ledger.write(self._venue.state.now, "script", script.data())
        play.begin()
        return play

    def end(self) -> None:
        """Stop all scripts; what they armed stays armed."""
        for play in self.plays:
            play.stop()
        self.plays.clear()

    def requested(self, endpoint: str, account: int | None) -> None:
        """A request is about to be served."""
        for play in tuple(self.plays):
            play.requested(endpoint, account)

    def connected(self, hub: str, what: str) -> None:
        """A connection of a hub came (`connected`) or went (`closed`)."""
        for play in tuple(self.plays):
            play.hub(hub, what)
