"""The paper gateway as a running server: public listener, control listener, and the hand that moves time."""

from __future__ import annotations

import asyncio
import os
import secrets
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from bot.calendar.sessions import SessionCalendar
from bot.clock import Clock
from bot.model.errors import BotError, ConfigError
from bot.model.times import SECOND
from bot.paper import certificates
from bot.paper import epoch as epochs
from bot.paper.config import PaperConfig
from bot.paper.control import Control
from bot.paper.market.feed import Market
from bot.paper.market.synthetic import SyntheticMarket
from bot.paper.market.tape import TapeMarket, tape_market
from bot.paper.market.tape_reader import named
from bot.paper.script.read import read
from bot.paper.sockets import Sockets
from bot.paper.state_log import StateLog
from bot.paper.tap import TappedRunner
from bot.paper.transcript import Transcript
from bot.paper.venue import PaperVenue

ANNOUNCEMENT = "paper.json"
BEAT_NS = 10 * SECOND
"""Host time between two marks in the state log that tell how far venue time has come."""

SHORTEST_TURN_S, LONGEST_TURN_S = 0.002, 0.25
_HOST = "127.0.0.1"


class PaperGateway:
    """`start` binds both listeners, restores the state of `config.state_dir` and begins to move time.

    With a `clock` of the caller's, time moves as that one does. `notice` tells of damaged ends of a state or a tape.
    Everything that crosses the public listener goes to the file `transcript`, if there is one; the script of
    the file `script` runs from the gateway's first start on.
    """

    def __init__(
        self, config: PaperConfig, clock: Clock | None = None, market: Market | None = None,
        transcript: Path | None = None, script: Path | None = None,
    ) -> None:  # fmt: skip
        self.config, self._script_file = config, script
        self.control_token = secrets.token_urlsafe(24)
        self.url = self.control_url = self.notice = ""
        self.ca_file: Path | None = None
        self.failed: asyncio.Future[None] | None = None
        self._clock, self._market, self._transcript_file = clock, market, transcript
        self._transcript: Transcript | None = None
        self._log: StateLog | None = None
        self._passing: tempfile.TemporaryDirectory[str] | None = None
        self._venue: PaperVenue | None = None
        self._runners: list[web.AppRunner] = []
        self._turn: asyncio.TimerHandle | None = None
        self._next_beat = 0

    @property
    def venue(self) -> PaperVenue:
        """The venue behind the sockets, once started."""
        assert self._venue is not None
        return self._venue

    async def start(self) -> None:
        """Raises BotError when a port or the state folder is taken, ScriptError before any port is bound."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        self.failed = asyncio.get_running_loop().create_future()
        config, past = self.config, list[bytes]()
        if config.state_dir is not None:
            self._log = StateLog(Path(config.state_dir))
            past, self.notice = self._log.lines, self._log.notice
        epoch = epochs.resumed(past, config) if past else epochs.first(config)
        self._clock = self._clock or epochs.clock_of(epoch)
        market = self._market or build_market(msgspec.structs.replace(config, start_ns=epoch.start_ns))
        if isinstance(market, TapeMarket):
            self.notice = "\n".join(filter(None, [self.notice, *market.notices]))
        config = msgspec.structs.replace(config, start_ns=epoch.start_ns)
        venue = self._venue = PaperVenue(config, self._clock, market, past=past or None)
        if self._log is not None:
            if not past:
                for line in venue.ledger.lines:
                    self._log.append(line)
            venue.ledger.sink = self._keep
            venue.ledger.write(venue.state.now, "epoch", epoch)
        if self._script_file is not None:
            venue.play(*read(self._script_file), start=epoch.start_ns)
        sockets = Sockets(venue, self._clock, epoch.venue_ns)
        control = Control(venue, self.control_token, sockets.clock)
        sockets.woken = control.woken = self._hurry
        if self._transcript_file is not None:
            self._transcript = Transcript(self._transcript_file, self._clock.host_mono)
        self.url = await self._listen(
            sockets.application(), config.port, "paper gateway port", self._transcript, self._tls()
        )
        self.control_url = await self._listen(
            control.application(), config.control_port, "paper control port"
        )
        self._go_on()

    async def stop(self) -> None:
        """Close the listeners and give the state folder free."""
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()
        if self._transcript is not None:
            self._transcript.close()
            self._transcript = None
        if self._log is not None:
            if self._venue is not None:
                self._venue.ledger.sink = None
            self._log.close()
            self._log = None
        if self._passing is not None:
            self._passing.cleanup()
            self._passing = None

    def _tls(self) -> ssl.SSLContext | None:
        """The public listener's certificate; without a state folder it lives as long as the gateway."""
        if self.config.tls is None:
            return None
        folder = self.config.state_dir
        if folder is None:
            self._passing = tempfile.TemporaryDirectory(prefix="paper-tls-")
            folder = self._passing.name
        made = certificates.prepare(Path(folder) / "tls", self.config.tls)
        self.ca_file = made.ca_file
        return made.context

    async def _listen(
        self, app: web.Application, port: int, what: str, transcript: Transcript | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> str:  # fmt: skip
        options: dict[str, Any] = {"handler_cancellation": True, "access_log": None, "shutdown_timeout": 1.0}
        runner = (
            web.AppRunner(app, **options) if transcript is None else TappedRunner(app, transcript, **options)
        )
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, _HOST, port, ssl_context=tls)
        try:
            await site.start()
        except (OSError, OverflowError) as problem:
            raise ConfigError(
                what,
                expected="a free port of the loopback address",
                seen=port,
                do="stop the program that uses it, or set another port (0 takes a free one)",
            ) from problem
        return f"{'http' if tls is None else 'https'}://{_HOST}:{runner.addresses[0][1]}"

    def _go_on(self) -> None:
        """Bring the venue up to now and come back when something is due."""
        assert self._clock is not None
        try:
            self.venue.advance(self._clock.now())
            self._beat()
        except Exception as problem:
            self._fail(problem)
            return
        self._schedule()

    def _beat(self) -> None:
        assert self._clock is not None
        host = self._clock.host_mono()
        if self._log is not None and host >= self._next_beat:
            self._next_beat = host + BEAT_NS
            self._log.append(msgspec.json.encode([self.venue.state.now, "alive", None]))

    def _hurry(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._schedule()

    def _schedule(self) -> None:
        assert self._clock is not None
        due = self.venue.next_due()
        wait = LONGEST_TURN_S
        if due is not None:
            wait = (due - self._clock.now()) / SECOND / self._clock.rate
        wait = min(max(wait, SHORTEST_TURN_S), LONGEST_TURN_S)
        self._turn = asyncio.get_running_loop().call_later(wait, self._go_on)

    def _keep(self, line: bytes) -> None:
        """A record that cannot be kept ends the gateway: nothing is answered that a restart would forget."""
        assert self._log is not None
        try:
            self._log.append(line)
        except BotError as problem:
            self._fail(problem)
            raise

    def _fail(self, problem: Exception) -> None:
        if self.failed is not None and not self.failed.done():
            self.failed.set_exception(problem)


async def run(
    config: PaperConfig, transcript: Path | None = None, script: Path | None = None,
    ready: Callable[[PaperGateway], None] = lambda _gateway: None,
) -> None:  # fmt: skip
    """Serve until cancelled. Writes `<state_dir>/paper.json` (mode 600) when ready, and calls `ready`.

    Raises BotError when a port or the state folder is taken or the script cannot be run.
    """
    gateway = PaperGateway(config, transcript=transcript, script=script)
    await gateway.start()
    announcement = None if config.state_dir is None else Path(config.state_dir) / ANNOUNCEMENT
    try:
        if announcement is not None:
            announce(gateway, announcement)
        ready(gateway)
        assert gateway.failed is not None
        await gateway.failed
    finally:
        if announcement is not None:
            announcement.unlink(missing_ok=True)
        await gateway.stop()


def announce(gateway: PaperGateway, path: Path) -> None:
    """Write the addresses and the control token for other processes of the same user, atomically."""
    content = {
        "url": gateway.url,
        "control_url": gateway.control_url,
        "control_token": gateway.control_token,
        "pid": os.getpid(),
        "ca_file": None if gateway.ca_file is None else str(gateway.ca_file.resolve()),
    }
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, msgspec.json.encode(content))
    finally:
        os.close(file)
    draft.replace(path)


def build_market(config: PaperConfig) -> Market:
    """The market that the settings name: a tape, or the synthetic one. Raises BotError."""
    if config.tapes:
        only = config.roots[0] if len(config.roots) == 1 else None
        tapes = [(root or only, path) for root, path in map(named, config.tapes)]
        return tape_market(tapes, config.start_ns, config.tape_lead_s * SECOND)
    return SyntheticMarket(
        config.seed, config.start_ns, config.roots, config.density, config.scenario, SessionCalendar.shipped()
    )
