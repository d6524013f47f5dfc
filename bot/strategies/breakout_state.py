"""The life of two opposite entries in one session, as a pure state machine (strategies.md §11.9)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import msgspec

from bot.legacy.strategy_engine.layout import Reader, Writer

Side = Literal["long", "short"]
Phase = Literal["WAIT", "ARMED", "LIVE", "DONE"]
SideState = Literal["none", "working", "filled", "lost", "cancelling", "cancelled", "refused"]
Verb = Literal["PLACE", "CANCEL", "CANCEL_SYMBOL", "FLATTEN_SYMBOL", "ALERT"]
SIDES: tuple[Side, Side] = ("long", "short")
PHASES: tuple[Phase, ...] = ("WAIT", "ARMED", "LIVE", "DONE")
SIDE_STATES: tuple[SideState, ...] = (
    "none", "working", "filled", "lost", "cancelling", "cancelled", "refused",
)  # fmt: skip


class Command(msgspec.Struct, frozen=True):
    """What to do; `leg` names an entry, or the alert's code."""

    verb: Verb
    leg: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.leg}" if self.leg else self.verb


class _Leg:
    """One side: its state, entries filled, re-arms used."""

    __slots__ = ("entries", "rearms", "state")

    def __init__(self) -> None:
        self.state: SideState = "none"
        self.entries = 0
        self.rearms = 0


class BreakoutState:
    """Phase and both sides; `held` is the side of the open position."""

    def __init__(self, *, cancel_other: bool = True, max_entries: int = 1, max_rearms: int = 1) -> None:
        self._cancel_other, self._max_entries, self._max_rearms = cancel_other, max_entries, max_rearms
        self.phase: Phase = "WAIT"
        self.held: Side | None = None
        self.cut = False
        self._legs: dict[Side, _Leg] = {"long": _Leg(), "short": _Leg()}

    def side(self, side: Side) -> SideState:
        """State of one side."""
        return self._legs[side].state

    def entries(self, side: Side) -> int:
        """Entries of one side that were filled."""
        return self._legs[side].entries

    def leg_name(self, side: Side) -> str:
        """The leg under which the side was placed last."""
        rearms = self._legs[side].rearms
        return f"entry_{side}.r{rearms}" if rearms else f"entry_{side}"

    def levels(self, good: Collection[Side]) -> list[Command]:
        """Place each good side, long first; refuse the others."""
        if self.phase != "WAIT":
            return []
        commands = []
        for side in SIDES:
            if side in good:
                self._legs[side].state = "working"
                commands.append(Command("PLACE", self.leg_name(side)))
            else:
                self._legs[side].state = "refused"
        self.phase = "ARMED" if commands else "DONE"
        return commands

    def adopt(self, side: Side, rearms: int) -> None:
        """An order of the session that this object did not place: it ran before a restart."""
        leg = self._legs[side]
        if leg.state == "none" or (leg.state == "lost" and rearms > leg.rearms):
            leg.state = "working"
        leg.rearms = max(leg.rearms, rearms)
        if self.phase == "WAIT":
            self.phase = "ARMED"

    def adopt_fill(self, side: Side) -> None:
        """A fill from before the restart; what is held now is told by `adopted`."""
        leg = self._legs[side]
        leg.state = "filled"
        leg.entries += 1
        self.phase = "LIVE"

    def adopted(self, held: Side | None) -> list[Command]:
        """All orders and fills of the session are known, and the side of the position.

        A fill that the former run or nobody saw has the same effect on the other side as one that is seen.
        """
        if self.phase == "WAIT":
            return []
        for leg in self._legs.values():
            if leg.state == "none":
                leg.state = "refused"
        self.held = held
        if self.phase != "LIVE":
            return []
        commands: list[Command] = []
        for side in SIDES if self._cancel_other else ():
            if self._legs[side].state == "filled" or side == held:
                other = self._legs[_other(side)]
                if other.state == "lost":
                    other.state = "cancelled"
                commands += self._cancel([_other(side)])
        return commands if held is not None else commands + self.flat()

    @property
    def working(self) -> bool:
        """Whether some entry works at the venue, as far as is known."""
        return any(leg.state == "working" for leg in self._legs.values())

    def fill(self, side: Side) -> list[Command]:
        """The side's entry was filled, in part or whole."""
        leg, other_side = self._legs[side], _other(side)
        other = self._legs[other_side]
        if leg.state == "filled" and self.held == side:
            return []
        if leg.state != "working" or self.held == other_side:
            leg.state = "filled"
            leg.entries += 1
            self.held = side
            self.phase = "DONE"
            return [Command("CANCEL_SYMBOL"), Command("FLATTEN_SYMBOL"), Command("ALERT", "DOUBLE_FILL")]
        leg.state = "filled"
        leg.entries += 1
        self.held = side
        self.phase = "LIVE"
        if not self._cancel_other:
            return []
        if other.state == "lost":
            other.state = "cancelled"
        return self._cancel([other_side])

    def ended(self, side: Side) -> list[Command]:
        """The broker confirmed that the side's order is over without a fill."""
        leg = self._legs[side]
        if leg.state == "cancelling":
            leg.state = "cancelled"
        elif leg.state == "working":
            leg.state = "lost"
        return []

    def refused(self, side: Side) -> list[Command]:
        """The side's order was denied or rejected: final, it is never placed again."""
        leg = self._legs[side]
        if leg.state in ("working", "cancelling"):
            leg.state = "refused"
        if self.phase == "ARMED" and not self._open_sides():
            self.phase = "DONE"
        return []

    def monitor(self, known: bool, near: Collection[Side]) -> list[Command]:
        """Place a lost side again when the price is near and the orders are known."""
        if self.phase != "ARMED" or not known:
            return []
        commands = []
        for side in SIDES:
            leg = self._legs[side]
            if leg.state == "lost" and side in near and self._may_rearm(leg):
                leg.rearms += 1
                leg.state = "working"
                commands.append(Command("PLACE", self.leg_name(side)))
        return commands

    def cutoff(self) -> list[Command]:
        """The last entry of the day is over; a held position keeps its bracket."""
        self.cut = True
        commands = self._cancel(SIDES)
        for leg in self._legs.values():
            if leg.state == "lost":
                leg.state = "cancelled"
        if self.phase in ("WAIT", "ARMED"):
            self.phase = "DONE"
        return commands

    def flat(self) -> list[Command]:
        """Nothing is held."""
        closed, self.held = self.held, None
        if self.phase != "LIVE":
            return []
        if self.cut:
            self.phase = "DONE"
            return []
        if closed is not None and self._may_rearm(self._legs[closed]):
            self._legs[closed].state = "lost"
        self.phase = "ARMED" if self._open_sides() else "DONE"
        return []

    def flatten_time(self) -> list[Command]:
        """The end of the day."""
        self.phase = "DONE"
        return [Command("CANCEL_SYMBOL"), Command("FLATTEN_SYMBOL")]

    def stop(self) -> list[Command]:
        """The instance stops: working entries are cancelled, nothing new is placed."""
        return self.cutoff()

    def finish(self) -> None:
        """The day ends without entries."""
        self.levels(())

    def write(self, writer: Writer) -> None:
        writer.i64(PHASES.index(self.phase))
        writer.i64(-1 if self.held is None else SIDES.index(self.held))
        writer.flag(self.cut)
        for side in SIDES:
            leg = self._legs[side]
            writer.i64s(SIDE_STATES.index(leg.state), leg.entries, leg.rearms)

    def read(self, reader: Reader) -> None:
        self.phase = PHASES[reader.i64()]
        held = reader.i64()
        self.held = None if held < 0 else SIDES[held]
        self.cut = reader.flag()
        for side in SIDES:
            leg = self._legs[side]
            state, leg.entries, leg.rearms = reader.i64s(3)
            leg.state = SIDE_STATES[state]

    def _cancel(self, sides: Collection[Side]) -> list[Command]:
        commands = []
        for side in sides:
            if self._legs[side].state == "working":
                self._legs[side].state = "cancelling"
                commands.append(Command("CANCEL", self.leg_name(side)))
        return commands

    def _may_rearm(self, leg: _Leg) -> bool:
        return leg.entries < self._max_entries and leg.rearms < self._max_rearms

    def _open_sides(self) -> bool:
        return any(leg.state in ("working", "lost") for leg in self._legs.values())


def _other(side: Side) -> Side:
    return "short" if side == "long" else "long"
