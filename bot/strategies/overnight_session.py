"""One session of the overnight breakout: its times, what was measured, and what its orders did."""

from __future__ import annotations

from datetime import date

from bot.legacy.strategy_engine.layout import Reader, Writer
from bot.model.quantities import Ticks, TsNs
from bot.strategies.breakout_state import SIDES, BreakoutState, Side
from bot.strategies.overnight_levels import Level, RangeFound, Zones

SIGN: dict[Side, int] = {"long": 1, "short": -1}
MAX_FILL_IDS = 256
"""Fill ids remembered per session; an entry has at most as many fills as contracts."""


class Session:
    """State per (account, symbol, cash day). Times in ns UTC; `over` is when the next session begins."""

    def __init__(
        self,
        *,
        day: date,
        scope: str,
        window: tuple[TsNs, TsNs],
        open_at: TsNs,
        grace_end: TsNs,
        cutoff: TsNs,
        flatten_at: TsNs | None,
        over: TsNs,
        made: TsNs,
        state: BreakoutState,
    ) -> None:
        self.day, self.scope, self.window = day, scope, window
        self.open_at, self.grace_end, self.cutoff = open_at, grace_end, cutoff
        self.flatten_at, self.over, self.made = flatten_at, over, made
        self.state = state
        self.open_price: Ticks | None = None
        self.found: RangeFound | None = None
        self.atr: float | None = None
        self.daily_atr: float | None = None
        self.zones: Zones | None = None
        self.levels: dict[Side, Level] = {}
        self.refusals: dict[Side, str] = {}
        self.waits_for = ""
        self.monitor_at: int = 0
        self.flattened = False
        self._fill_ids: dict[int, None] = {}
        self._from_fills: dict[str, int] = {}
        self._counted: dict[str, int] = {}

    def count(self, leg: str, filled: int, *, from_order: bool) -> bool:
        """Whether the leg's filled quantity is more than any route has shown before."""
        if not from_order:
            self._from_fills[leg] = filled
        if filled <= self._counted.get(leg, 0):
            return False
        self._counted[leg] = filled
        return True

    def count_fill(self, leg: str, fill_id: int, size: int) -> bool:
        """The same for one fill, which counts once."""
        if fill_id in self._fill_ids:
            return False
        if len(self._fill_ids) >= MAX_FILL_IDS:
            del self._fill_ids[next(iter(self._fill_ids))]
        self._fill_ids[fill_id] = None
        return self.count(leg, self._from_fills.get(leg, 0) + size, from_order=False)

    def write(self, writer: Writer) -> None:
        self.state.write(writer)
        writer.optional(writer.i64, self.open_price)
        writer.flag(self.found is not None)
        if self.found is not None:
            found = self.found
            writer.i64s(found.high, found.low, found.open, found.close, found.bars)
        writer.optional(writer.f64, self.atr)
        writer.optional(writer.f64, self.daily_atr)
        writer.flag(self.zones is not None)
        if self.zones is not None:
            zones = self.zones
            writer.i64s(zones.upper_near, zones.upper_far, zones.lower_near, zones.lower_far)
        for side in SIDES:
            level = self.levels.get(side)
            writer.flag(level is not None)
            if level is not None:
                writer.i64s(level.entry, level.stop_ticks, level.target_ticks)
                writer.flag(level.target_source == "zone")
            writer.text(self.refusals.get(side, ""))
        writer.text(self.waits_for)
        writer.i64(self.monitor_at)
        writer.flag(self.flattened)
        writer.count(len(self._fill_ids))
        writer.i64s(*self._fill_ids)
        for counts in (self._from_fills, self._counted):
            writer.count(len(counts))
            for leg in sorted(counts):
                writer.text(leg)
                writer.i64(counts[leg])

    def read(self, reader: Reader) -> None:
        self.state.read(reader)
        open_price = reader.optional(reader.i64)
        self.open_price = None if open_price is None else Ticks(open_price)
        if reader.flag():
            high, low, open_, close, bars = reader.i64s(5)
            self.found = RangeFound(Ticks(high), Ticks(low), Ticks(open_), Ticks(close), bars)
        self.atr, self.daily_atr = reader.optional(reader.f64), reader.optional(reader.f64)
        if reader.flag():
            self.zones = Zones(*(Ticks(edge) for edge in reader.i64s(4)))
        for side in SIDES:
            if reader.flag():
                entry, stop_ticks, target_ticks = reader.i64s(3)
                source = "zone" if reader.flag() else "atr"
                self.levels[side] = Level(
                    SIGN[side], Ticks(entry), stop_ticks, target_ticks, "zone" if source == "zone" else "atr"
                )
            refusal = reader.text()
            if refusal:
                self.refusals[side] = refusal
        self.waits_for = reader.text()
        self.monitor_at = reader.i64()
        self.flattened = reader.flag()
        self._fill_ids = dict.fromkeys(reader.i64s(reader.count()))
        self._from_fills = {reader.text(): reader.i64() for _ in range(reader.count())}
        self._counted = {reader.text(): reader.i64() for _ in range(reader.count())}


def parse_leg(leg: str) -> tuple[Side, int] | None:
    """`entry_long` or `entry_short.r2` to side and re-arm number, None for another leg."""
    name, _, rearm = leg.partition(".r")
    if name not in ("entry_long", "entry_short") or (rearm and not rearm.isdigit()):
        return None
    return ("long" if name == "entry_long" else "short"), int(rearm or 0)
