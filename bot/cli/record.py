"""`bot record`: both hubs' raw frames into a folder that `bot paper --tape` plays; no order can leave here."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from random import SystemRandom
from typing import Any, Final

import msgspec

from bot.app.venue import Venue, connect
from bot.cli import tables
from bot.cli.document import Printer
from bot.clock import SECOND
from bot.config.settings import Settings
from bot.gateway.credentials import Token
from bot.gateway.hubs import HubConnection, Topic, market_topics, user_topics
from bot.gateway.recorder import ReadOnlyTransport, Recorder
from bot.model.errors import UsageError, VenueUnreachable
from bot.model.events import Hub
from bot.recording.writer import RecordingWriter

INCOMPLETE: Final = 11
CONNECT_NS: Final = 60 * SECOND
FLUSH_S: Final = 1.0
_SYNC_EVERY: Final = 5


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to record; without `seconds` (of host time) until interrupted."""

    folder: Path
    symbols: tuple[str, ...]
    seconds: float | None
    file_bytes: int
    total_bytes: int


async def record(settings: Settings, printer: Printer, plan: Plan) -> int:
    """Record and print the summary; exit 11 when the bound ended it. Raises BotError."""
    if not plan.symbols or (plan.seconds is not None and plan.seconds <= 0):
        raise UsageError("record", expected="symbols, and seconds above 0", seen=(plan.symbols, plan.seconds))
    venue = await connect(settings, ReadOnlyTransport)
    try:
        data = await _record(settings, venue, plan)
    finally:
        await venue.close()
    full = data["ended"] == "full"
    warnings = ["the bound of all files is reached"] if full else []
    return printer.result(data, tables.recording, warnings=warnings, exit_code=INCOMPLETE if full else 0)


async def _record(settings: Settings, venue: Venue, plan: Plan) -> dict[str, Any]:
    tokens: list[Token] = [await venue.session.token()]
    venue.session.listeners.append(tokens.append)
    key = settings.auth.api_key
    contracts = await venue.rest.contracts()
    wanted = [venue.contracts.resolve(symbol).id for symbol in plan.symbols]
    accounts = [account.id for account in await venue.rest.accounts()]
    began = venue.clock.host_mono()
    with RecordingWriter(plan.folder, file_bytes=plan.file_bytes, total_bytes=plan.total_bytes) as writer:
        recorder = Recorder(
            writer, venue.clock, lambda: [*(token.text for token in tokens), key.reveal() if key else ""]
        )
        recorder.note("begin", f"{', '.join(wanted)}; {len(contracts)} contracts, {len(accounts)} accounts")
        hubs = _hubs(venue, recorder, wanted, accounts)
        for hub in hubs:
            await hub.start()
        try:
            ended = await _until_the_end(venue, recorder, writer, plan)
        finally:
            for hub in hubs:
                await hub.stop()
            recorder.note("end", "stopped")
            recorder.flush()
        if recorder.failed is not None:
            raise recorder.failed
    return {
        "folder": str(plan.folder), "contracts": wanted, "seconds": (venue.clock.host_mono() - began) / SECOND,
        "frames": dict(recorder.frames), "bytes": recorder.bytes, "stored_bytes": writer.written,
        "files": len(writer.files), "gaps": recorder.gaps, "ended": ended,
    }  # fmt: skip


def _hubs(venue: Venue, recorder: Recorder, contracts: list[str], accounts: list[int]) -> list[HubConnection]:
    addresses = venue.addresses
    topics: dict[Hub, tuple[str, list[Topic]]] = {
        "user": (addresses.user_hub, user_topics(accounts)),
        "market": (addresses.market_hub, market_topics(contracts)),
    }
    hubs = []
    for name, (url, wanted) in topics.items():
        hub = HubConnection(
            name, url, venue.session, venue.clock, recorder.on_records, recorder.on_state,
            random=SystemRandom(), tls=venue.tls,
        )  # fmt: skip
        hub.set_topics(wanted)
        hubs.append(hub)
    return hubs


async def _until_the_end(venue: Venue, recorder: Recorder, writer: RecordingWriter, plan: Plan) -> str:
    """Flush in time; returns why the recording is over."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(
            NotImplementedError, RuntimeError
        ):  # not on this platform, or not this thread
            loop.add_signal_handler(each, stop.set)
    began, turns, connected = venue.clock.host_mono(), 0, False
    while recorder.failed is None:
        left = FLUSH_S
        if plan.seconds is not None:
            left = min(left, plan.seconds - (venue.clock.host_mono() - began) / SECOND)
            if left <= 0:
                return "time"
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), left)
            return "interrupted"
        connected = connected or recorder.up()
        if not connected and venue.clock.host_mono() - began > CONNECT_NS:
            raise VenueUnreachable(
                "hubs", expected="both connected within 60 s", seen="no connection", do="run `bot doctor`"
            )
        recorder.flush()
        if writer.full:
            return "full"
        turns += 1
        if turns % _SYNC_EVERY == 0:
            await asyncio.to_thread(writer.syncing())
    return "failed"
