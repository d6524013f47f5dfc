"""What the engine asks of a strategy, and what a strategy may see.

A strategy object is one instance in one contract. It sees bars, prices, its own orders and position and
the time that its events carry, and nothing else; what it wants it returns as actions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from bot.calendar.sessions import SessionCalendar
from bot.legacy.strategy_engine.layout import Reader, Writer
from bot.legacy.strategy_engine.windows import BarWindow
from bot.model.actions import Action, Instance
from bot.model.contract import Contract
from bot.model.market import Bar
from bot.model.orders import Fill, Order, Position
from bot.model.quantities import Ticks, TsNs
from bot.model.risk import RuleFigures


class Market(Protocol):
    """The market as the engine has seen it."""

    def window(self, contract_id: str, timeframe: str) -> BarWindow:
        """Closed bars of a timeframe; its depth is what strategies asked for."""
        ...

    def last(self, contract_id: str) -> Ticks | None:
        """The newest trade price."""
        ...


class Seat(msgspec.Struct, frozen=True):
    """Where a strategy object sits."""

    instance: Instance
    contract: Contract
    calendar: SessionCalendar
    market: Market


class Strategy(Protocol):
    """One instance of a strategy in one contract. Handlers may raise; the engine isolates them."""

    @property
    def depths(self) -> Mapping[str, int]:
        """Bars to keep by timeframe."""
        ...

    @property
    def evaluates(self) -> str | None:
        """The timeframe whose closed bars evaluate it, None when it goes by prices and time."""
        ...

    def on_bars(self, timeframe: str, now: TsNs) -> Sequence[Action]:
        """The window of a timeframe changed."""
        ...

    def evaluate(self, bar: Bar, now: TsNs) -> Sequence[Action]:
        """A new closed, complete bar of `evaluates`, once per start, ascending.

        What it wants for a bar that closed before the start, and entries for a late bar, the engine drops.
        """
        ...

    def on_price(self, last: Ticks, now: TsNs) -> Sequence[Action]: ...

    def on_forming(self, bar: Bar, now: TsNs) -> Sequence[Action]: ...

    def on_order(self, leg: str, scope: str, order: Order, now: TsNs) -> Sequence[Action]: ...

    def on_denied(self, leg: str, scope: str, code: str, now: TsNs) -> Sequence[Action]: ...

    def on_fill(self, leg: str, scope: str, fill: Fill, now: TsNs) -> Sequence[Action]: ...

    def on_position(self, position: Position | None, stop: Ticks | None, now: TsNs) -> Sequence[Action]: ...

    def on_known(self, known: bool, now: TsNs) -> Sequence[Action]: ...

    def on_risk(self, figures: RuleFigures, now: TsNs) -> Sequence[Action]: ...

    def on_clock(self, now: TsNs) -> Sequence[Action]: ...

    def on_stop(self) -> Sequence[Action]:
        """Cancel what could still open a position; nothing new from now on."""
        ...

    def configure(self, parameters: Mapping[str, object]) -> None:
        """New parameters; raises ConfigError and keeps the old ones when they are wrong."""
        ...

    def quiet(self) -> bool: ...

    def status(self, now: TsNs) -> dict[str, Any]: ...

    def write(self, writer: Writer) -> None: ...

    def read(self, reader: Reader) -> None: ...


class StrategyFactory(Protocol):
    """Makes a strategy object from plain parameters. Raises ConfigError when they are wrong."""

    def __call__(self, seat: Seat, parameters: Mapping[str, object], now: TsNs) -> Strategy: ...
