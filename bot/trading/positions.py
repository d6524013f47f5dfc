"""Positions and fills as the venue reports them (bot.md §9.1, §9.2).

Events come first, polls confirm. A poll that was asked before the newest event does not overwrite it; a poll
that contradicts an event younger than `GRACE_NS` is remembered as a disagreement: amber after 5 s, and after
20 s the poll wins with an alarm. The size of a position comes from position reports only, never from fills.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator

import msgspec

from bot.model.orders import Fill, Position
from bot.model.times import SECOND

GRACE_NS = 5 * SECOND
"""Reads may lag behind events by less than this."""
AMBER_NS = 5 * SECOND
POLL_WINS_NS = 20 * SECOND
MAX_FILLS = 20_000
"""Fill ids kept per process to tell new ones from repeated ones."""

At = tuple[int, str]
"""Account id and contract id."""


class Held(msgspec.Struct):
    """A position and what is known of its age; `position` None = flat.

    `exited` are lots that exits have filled since the last word on the position.
    """

    position: Position | None
    event_at: int = 0
    seen_at: int = 0
    disputed_at: int | None = None
    exited: int = 0
    exited_at: int = 0

    @property
    def net(self) -> int:
        return self.position.net if self.position is not None else 0


class PositionBook:
    """Positions of all accounts by account and contract."""

    def __init__(self) -> None:
        self._held: dict[At, Held] = {}

    def on_event(self, position: Position, mono: int) -> bool:
        """A hub event; True when the picture changed."""
        held = self._held.setdefault((position.account_id, position.contract_id), Held(None))
        held.event_at = held.seen_at = mono
        held.disputed_at = None
        held.exited = 0
        return self._set(held, position if position.net else None)

    def on_poll(
        self, account_id: int, rows: Iterable[Position], asked: int, mono: int
    ) -> tuple[list[At], list[At]]:
        """A complete position query asked at `asked`; returns `(changed, overruled events)`."""
        found = {row.contract_id: row for row in rows if row.net}
        places = [at for at in self._held if at[0] == account_id]
        places += [(account_id, contract) for contract in found if (account_id, contract) not in self._held]
        changed: list[At] = []
        overruled: list[At] = []
        for at in sorted(places):
            held = self._held.setdefault(at, Held(None))
            row = found.get(at[1])
            if asked < held.event_at:
                continue
            if asked >= held.exited_at:
                held.exited = 0
            if (row.net if row else 0) == held.net:
                held.disputed_at, held.seen_at = None, mono
                if row is not None and row != held.position:
                    held.position = row
                continue
            if held.event_at and asked - held.event_at < GRACE_NS:
                held.disputed_at = mono if held.disputed_at is None else held.disputed_at
                if mono - held.disputed_at < POLL_WINS_NS:
                    continue
            if held.disputed_at is not None:
                overruled.append(at)
            held.disputed_at, held.seen_at = None, mono
            if self._set(held, row):
                changed.append(at)
        return changed, overruled

    def get(self, account_id: int, contract_id: str) -> Position | None:
        held = self._held.get((account_id, contract_id))
        return held.position if held is not None else None

    def net(self, account_id: int, contract_id: str) -> int:
        held = self._held.get((account_id, contract_id))
        return held.net if held is not None else 0

    def exited(self, at: At, lots: int, mono: int) -> None:
        """An exit filled `lots`; the position report that says so is still to come."""
        held = self._held.get(at)
        if held is not None and held.position is not None:
            held.exited, held.exited_at = held.exited + lots, mono

    def to_cover(self, at: At, mono: int) -> int:
        """Lots that need a stop: the reported size without exits that filled since, for as long as reads may lag."""
        held = self._held.get(at)
        if held is None:
            return 0
        gone = held.exited if mono - held.exited_at < GRACE_NS else 0
        return max(0, abs(held.net) - gone)

    def open(self, account_id: int | None = None) -> list[Position]:
        """All positions that are not flat, in order of account and contract."""
        return [
            held.position
            for at, held in sorted(self._held.items(), key=_by_place)
            if held.position is not None and account_id in (None, at[0])
        ]

    def disputed(self, account_id: int, mono: int) -> list[At]:
        """Places where reads and events have disagreed for 5 s."""
        return [
            at
            for at, held in self._held.items()
            if at[0] == account_id and held.disputed_at is not None and mono - held.disputed_at >= AMBER_NS
        ]

    def _set(self, held: Held, position: Position | None) -> bool:
        changed = held.position != position
        held.position = position
        return changed


class FillBook:
    """Fills by id, each counted once; a voided one is taken back. `version` grows with each change."""

    def __init__(self) -> None:
        self._fills: dict[int, Fill] = {}
        self._by_order: dict[int, list[int]] = {}
        self._by_place: dict[At, list[tuple[int, int]]] = {}
        self.version = 0

    def add(self, fill: Fill) -> bool:
        """True when the fill is new or has been voided since."""
        known = self._fills.get(fill.id)
        if known is not None and known.voided == fill.voided:
            return False
        self.version += 1
        if known is None:
            self._by_order.setdefault(fill.order_id, []).append(fill.id)
            insort(self._by_place.setdefault((fill.account_id, fill.contract_id), []), (fill.ts, fill.id))
        self._fills[fill.id] = fill
        if len(self._fills) > MAX_FILLS:
            self._forget(self._fills.pop(next(iter(self._fills))))
        return True

    def of_order(self, order_id: int) -> list[Fill]:
        """Fills of one order that were not voided."""
        return [fill for id_ in self._by_order.get(order_id, ()) if not (fill := self._fills[id_]).voided]

    def newest_first(self, at: At) -> Iterator[Fill]:
        """Not voided fills of one place, by time then id, the newest first."""
        for _, id_ in reversed(self._by_place.get(at, ())):
            if not self._fills[id_].voided:
                yield self._fills[id_]

    def all(self) -> list[Fill]:
        """Not voided ones, by time then id."""
        return sorted((fill for fill in self._fills.values() if not fill.voided), key=_by_time)

    def _forget(self, fill: Fill) -> None:
        at = (fill.account_id, fill.contract_id)
        self._by_order[fill.order_id].remove(fill.id)
        self._by_place[at].remove((fill.ts, fill.id))
        if not self._by_order[fill.order_id]:
            del self._by_order[fill.order_id]


def _by_place(item: tuple[At, Held]) -> At:
    return item[0]


def _by_time(fill: Fill) -> tuple[int, int]:
    return fill.ts, fill.id
