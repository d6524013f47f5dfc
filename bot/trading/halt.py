"""The trading state: ACTIVE, REDUCING or HALTED, globally and per account (bot.md §10.1).

Three places keep it: the database row, the intent log and a file `HALT` in the state folder. The strictest
of them wins; when none can be read the answer is HALTED. A stricter state acts at once, a looser one only
after it is stored, and no automatic cause loosens a state.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from bot.model.errors import BotError, StoreConflict, StoreUnavailable
from bot.model.risk import Colour, TradingState
from bot.ports import Store
from bot.trading.intent_log import IntentLog, IntentLogFailed

GLOBAL = "global"
STRICTNESS: dict[TradingState, int] = {"ACTIVE": 0, "REDUCING": 1, "HALTED": 2}


class StateRefused(BotError):
    """The trading state cannot be loosened now."""

    code = "STATE_REFUSED"
    exit_code = 7


class ScopeState(msgspec.Struct):
    """The state of one scope and how it got there; `version` is that of the database row.

    `tightened` counts stricter changes, so that a looser one under way does not undo a newer cause.
    """

    state: TradingState = "ACTIVE"
    reason: str = ""
    actor: str = ""
    version: int = 0
    stored: bool = True
    tightened: int = 0


class HaltBoard:
    """`halt_file` is looked at with every `look`; its text is the reason."""

    def __init__(self, log: IntentLog, store: Store | None, halt_file: Path | None) -> None:
        self._log = log
        self._store = store
        self._file = halt_file
        self._file_reason: str | None = None
        self._scopes: dict[str, ScopeState] = {}

    async def load(self, account_ids: list[int], log_readable: bool = True) -> None:
        """Take the strictest of the three places for every scope; none readable means HALTED."""
        for scope in [GLOBAL, *(str(id_) for id_ in account_ids)]:
            found = self._scopes.setdefault(scope, ScopeState())
            readable = log_readable
            record = self._log.trading.get(scope)
            if record is not None:
                found.state, found.reason, found.actor = record.state, record.reason, record.actor
            if self._store is not None:
                try:
                    row = await self._store.get_trading_state(scope)
                except BotError:
                    row = None
                else:
                    readable = True
                if row is not None:
                    found.version = int(row.get("version", 0))
                    state: TradingState = row["state"]
                    if STRICTNESS[state] > STRICTNESS[found.state]:
                        found.state, found.reason = state, str(row.get("reason", ""))
                    found.stored = state == found.state
            if not readable:
                found.state, found.reason = "HALTED", "neither intent log nor database can be read"
        self.look()

    def look(self) -> bool:
        """Check the HALT file; True when that changed something."""
        before = self._file_reason
        try:
            text = self._file.read_text(errors="replace") if self._file is not None else None
        except FileNotFoundError:
            text = None
        except OSError as problem:
            text = f"the HALT file cannot be read: {problem}"
        self._file_reason = None if text is None else (text.strip() or "HALT file")
        return before != self._file_reason

    def effective(self, account_id: int) -> tuple[TradingState, str]:
        """The stricter of global and account, and why."""
        if self._file_reason is not None:
            return "HALTED", self._file_reason
        ours = self._scopes.get(GLOBAL, ScopeState())
        account = self._scopes.get(str(account_id), ScopeState())
        worst = max((ours, account), key=_strictness)
        return worst.state, worst.reason

    async def set(
        self,
        scope: str,
        state: TradingState,
        reason: str,
        actor: str,
        *,
        automatic: bool = False,
        colour: Colour = "green",
    ) -> None:
        """Change a scope's state. Raises StateRefused, StoreUnavailable or IntentLogFailed for a looser one.

        `colour` is that of the last reconciliation: leaving HALTED needs green and no HALT file.
        """
        present = self._scopes.setdefault(scope, ScopeState())
        stricter = STRICTNESS[state] >= STRICTNESS[present.state]
        if stricter:
            present.state, present.reason, present.actor = state, reason, actor
            present.tightened += 1
            await self._keep(scope, present, state, reason, actor, must=False)
            return
        if automatic:
            return
        self.look()
        if present.state == "HALTED":
            if self._file_reason is not None:
                raise StateRefused("resume", expected="no HALT file", seen=self._file_reason, do="remove it")
            if colour != "green":
                raise StateRefused("resume", expected="a green reconciliation", seen=colour, do="reconcile")
            if not reason:
                raise StateRefused("resume", expected="a reason", seen="none", do="pass --reason")
        before = present.tightened
        await self._keep(scope, present, state, reason, actor, must=True)
        if present.tightened != before:
            present.stored = False
            raise StateRefused(
                f"change to {state}", expected="no newer cause", seen=f"{present.state}: {present.reason}"
            )
        present.state, present.reason, present.actor = state, reason, actor

    async def _keep(
        self, scope: str, present: ScopeState, state: TradingState, reason: str, actor: str, *, must: bool
    ) -> None:
        try:
            self._log.set_trading(scope, state, reason, actor)
        except IntentLogFailed:
            if must:
                raise
        if self._store is None:
            return
        try:
            present.version = await self._store.set_trading_state(
                scope, state, reason, actor, present.version
            )
            present.stored = True
        except (StoreUnavailable, StoreConflict):
            if must:
                self._log.set_trading(scope, present.state, present.reason, present.actor)
                raise
            present.stored = False

    @property
    def unsaved(self) -> bool:
        """Some state is not in the database yet."""
        return self._store is not None and not all(scope.stored for scope in self._scopes.values())

    async def repair(self) -> None:
        """Store what could not be stored when it was set. Raises StoreUnavailable, StoreConflict."""
        for scope, present in list(self._scopes.items()):
            if present.stored or self._store is None:
                continue
            row = await self._store.get_trading_state(scope)
            version, tightened = int(row.get("version", 0)) if row else 0, present.tightened
            present.version = await self._store.set_trading_state(
                scope, present.state, present.reason, present.actor, version
            )
            present.stored = present.tightened == tightened


def _strictness(scope: ScopeState) -> int:
    return STRICTNESS[scope.state]
