"""What must hold in every run, told by the gateway's judge and never by the bot alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from bot.app.application import Application
from bot.model.times import SECOND
from bot.paper.judge import Unprotected
from bot.paper.rows import OrderRow
from bot.trading.orders import EXIT_KINDS, kind_of

if TYPE_CHECKING:
    from tests.simulation.whole.machine import Machine, Process
    from tests.simulation.whole.world import World

LIMIT_NS = 5 * SECOND
HALF_A_CENT = 5_000
"""The venue keeps half cents and tells cents."""

_PLACE = msgspec.json.Decoder(dict[str, Any])


class Witness:
    """Sees what leaves the bot and what the venue makes of it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._out: list[list[int]] = [[world.clock.now(), 0]]
        self._state: dict[str, str] = {}
        self._left: set[str] = set()
        self.kills = 0
        self.problems: list[str] = []
        world.venue.ledger.readers.append(self._read)

    # --- the process comes and goes

    def up(self, now: int, app: Application) -> None:
        """The account is taken: from now on positions are looked after."""
        if self._out and self._out[-1][1] == 0:
            self._out[-1][1] = now

    def down(self, now: int) -> None:
        if not self._out or self._out[-1][1]:
            self._out.append([now, 0])

    def killed(self) -> None:
        self.kills += 1
        self.down(self._world.clock.now())

    def asleep(self, now: int, seconds: float) -> None:
        self._out.append([now, now + int(seconds * SECOND)])

    # --- what leaves it

    def sent(self, body: bytes, process: Process) -> None:
        """A new order leaves: remember whether the bot may open anything now.

        After a 401 the same bytes leave once more; the new token made the hubs reconnect meanwhile, so the
        colour counts where the order left first, the trading state each time.
        """
        tag = _PLACE.decode(body).get("customTag")
        desk, account = process.app.desk, process.app.account.id
        state = desk.halts.effective(account)[0]
        known = desk.picture.accounts.get(account)
        colour = known.colour if known is not None else "unknown"
        if state != "ACTIVE":
            self._state[tag] = state
        elif colour != "green" and tag not in self._left:
            self._state[tag] = f"reconciliation {colour}"
        self._left.add(tag)

    def _read(self, _ts: int, kind: str, row: Any) -> None:
        if kind == "order" and isinstance(row, OrderRow) and row.parent is None and row.origin == "api":
            why = self._state.pop(row.tag or "", None)
            if why is not None and row.status != 5 and kind_of(row.tag) not in EXIT_KINDS:
                self.problems.append(f"exposure: {row.tag} was sent while {why}")

    # --- the end

    def verdict(self, machine: Machine) -> list[str]:
        """What was wrong, in words; empty when everything held."""
        venue, found = self._world.venue, list(self.problems)
        judged = venue.judge.verdict(self._world.clock.now())
        if judged["duplicate_orders"]:
            found.append(f"duplicates: {judged['duplicate_orders']}: {judged['violations']}")
        if judged["tags_reused"]:
            found.append(f"tags reused: {judged['tags_reused']}")
        found += [
            f"unprotected: {span.contract_id} from {(span.from_ns - self._world.config.start_ns) / SECOND:.3f} s"
            f" for {left / SECOND:.3f} s"
            for span in self._naked() if (left := self.uncovered(span)) > LIMIT_NS
        ]  # fmt: skip
        return found + self._sums(machine)

    def unsettled(self, machine: Machine) -> list[str]:
        """What is not as it should be yet, while it may still become so."""
        return self._sums(machine)

    def longest_ns(self) -> int:
        """The longest time without a stop for which the bot answers."""
        return max((self.uncovered(span) for span in self._naked()), default=0)

    def uncovered(self, span: Unprotected) -> int:
        """The longest part of a span in which the process ran without a break."""
        begin, end = span.from_ns, span.to_ns or self._world.clock.now()
        now = self._world.clock.now()
        outs = sorted((from_ns, to_ns or now) for from_ns, to_ns in self._out)
        longest = 0
        for from_ns, to_ns in outs:
            if to_ns <= begin or from_ns >= end:
                continue
            longest = max(longest, from_ns - begin)
            begin = max(begin, to_ns)
        return max(longest, end - begin)

    def _naked(self) -> list[Unprotected]:
        judged = self._world.venue.judge.verdict(self._world.clock.now())
        return judged["unprotected"]  # type: ignore[return-value]

    def _sums(self, machine: Machine) -> list[str]:
        venue, found = self._world.venue, []
        process = machine.process
        start = {account.id: account.balance for account in self._world.config.accounts}
        nets: dict[tuple[int, str], int] = {}
        for trade in venue.state.trades:
            key = (trade.account, trade.contract)
            nets[key] = nets.get(key, 0) + (trade.size if trade.side == 0 else -trade.size)
            start[trade.account] += (trade.pnl or 0) - trade.fees - trade.commissions
        held = {key: row.net for key, row in venue.judge.positions.items() if row.net}
        if {key: net for key, net in nets.items() if net} != held:
            found.append(f"venue positions: fills say {nets}, rows say {held}")
        for id_, balance in start.items():
            row = venue.state.accounts[id_]
            if row.balance != balance:
                found.append(f"venue balance of {id_}: fills say {balance}, row says {row.balance}")
        if process is None or not process.up or process.dead:
            return [*found, "the bot is not up at the end"]
        app, account = process.app, process.app.account.id
        ours = {(at.account_id, at.contract_id): at.net for at in app.desk.picture.positions.open()}
        if ours != held:
            found.append(f"positions: the bot has {ours}, the venue {held}")
        known = app.desk.picture.accounts.get(account)
        kept = venue.state.accounts[account].balance
        if known is None or abs(known.account.balance - kept) > HALF_A_CENT:
            found.append(f"balance: the bot has {known and known.account.balance}, the venue {kept}")
        if known is not None and known.colour != "green":
            found.append(f"not green at the end: {known.colour} {known.reason}")
        if left := app.desk.log.unsettled():
            found.append("lost intents: " + ", ".join(f"{entry.id} {entry.state}" for entry in left))
        seen = {fill.id for fill in app.desk.picture.fills.all() if fill.account_id == account}
        missing = {trade.id for trade in venue.state.trades if trade.account == account} - seen
        if missing:
            found.append(f"fills: the bot does not know {sorted(missing)}")
        return found
