"""Whether closed bars from the venue reach far enough to the present (bot.md §11.7).

In open hours the newest one may be ten minutes older than its own length. What is older is told once when it
begins, with its cause, and once when it is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from bot.calendar.sessions import SessionCalendar
from bot.calendar.timeframes import bucket, parse_timeframe
from bot.clock import Clock
from bot.model.contract import Contract
from bot.model.errors import BotError
from bot.model.market import Bar
from bot.model.quantities import TsNs
from bot.model.times import MINUTE, format_ts

PATIENCE_NS: Final = 10 * MINUTE

log = structlog.get_logger(__name__)


class OldHistory(BotError):
    """The venue's newest closed bar is too old, or there is none; `what` says why."""

    code = "OLD_HISTORY"


class Freshness:
    """`old` names the series that end too early; `told` gets the reasons by contract at each change."""

    def __init__(
        self,
        calendar: SessionCalendar,
        contracts: Callable[[str], Contract | None],
        clock: Clock,
        told: Callable[[Mapping[str, str]], None] = lambda _: None,
    ) -> None:
        self._calendar, self._contracts, self._clock, self._told = calendar, contracts, clock, told
        self.old: dict[tuple[str, str], str] = {}

    def check(self, contract_id: str, timeframe: str, start: TsNs, bars: Sequence[Bar]) -> None:
        """Judge the closed bars from `start` to now, ascending. Raises OldHistory."""
        reason = self._reason(contract_id, timeframe, start, bars)
        at = (contract_id, timeframe)
        if (at in self.old) != (reason is not None):
            if reason is None:
                del self.old[at]
                log.info("history.fresh", contract=contract_id, timeframe=timeframe)
            else:
                self.old[at] = reason
                log.warning("history.old", contract=contract_id, timeframe=timeframe, reason=reason)
            self._told({contract: text for (contract, _), text in sorted(self.old.items())})
        if reason is not None:
            raise OldHistory(reason)

    def _reason(self, contract_id: str, timeframe: str, start: TsNs, bars: Sequence[Bar]) -> str | None:
        now, contract = self._clock.now(), self._contracts(contract_id)
        opened = self._calendar.opened(now, contract.group if contract is not None else "globex")
        if opened is None:
            return None
        begin, end = bucket(self._calendar, parse_timeframe(timeframe), now)
        newest = bars[-1].end if bars else start
        if now - max(newest, opened) <= end - begin + PATIENCE_NS:
            return None
        if bars:
            return f"the venue's newest {timeframe} bar of {contract_id} ended at {format_ts(newest)}"
        if contract is not None and not contract.active:
            return f"no {timeframe} bars: {contract_id} is not the active contract of {contract.root}"
        return (
            f"no {timeframe} bars of {contract_id} while its market is open: "
            "the data tier of this login does not serve it (live:false); check the market data subscription"
        )
