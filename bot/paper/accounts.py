"""The accounts as the control side shows and changes them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from bot.model.errors import BadField
from bot.paper import progress
from bot.paper.config import PaperAccount
from bot.paper.limits import Limits
from bot.paper.rows import AccountRow
from bot.paper.state import State


class AccountChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the control side may set on an account; absent members stay. Money in micro-dollars."""

    id: int
    name: str | None = None
    balance: int | None = None
    bracket_mode: str | None = None
    dll: int | msgspec.UnsetType | None = msgspec.UNSET
    live_routing: bool | None = None
    follower: bool | None = None
    paid_out: bool | None = None
    can_trade: bool | None = None


def opened(setting: PaperAccount, day: int) -> AccountRow:
    """A new account on trade date `day`."""
    return AccountRow(
        id=setting.id, name=setting.name, balance=setting.balance, bracket_mode=setting.bracket_mode,
        dll=setting.dll, live_routing=setting.live_routing, follower=setting.follower,
        high=max(setting.balance, setting.start_balance), day_start=setting.balance, day=day,
    )  # fmt: skip


def listing(state: State, limits: Limits) -> list[dict[str, object]]:
    """All accounts with the figures of their limits."""
    return [
        {
            **msgspec.structs.asdict(row),
            "can_trade": row.can_trade,
            "equity": limits.equity(row),
            "floor": limits.floor(row),
            "max_tenths": limits.max_tenths(row),
            **progress.figures(row, state.settings[row.id], state.options),
        }
        for row in state.accounts.values()
    ]


def change(state: State, shape: Mapping[str, object], ts: int) -> AccountRow:
    """Apply a change, or open an account that does not exist. Raises BadField."""
    try:
        wanted = msgspec.convert(dict(shape), AccountChange)
    except msgspec.ValidationError as problem:
        raise BadField("account", expected="the documented members", seen=str(problem)) from problem
    if wanted.bracket_mode not in (None, "auto_oco", "position"):
        raise BadField("bracket_mode", expected="auto_oco or position", seen=wanted.bracket_mode)
    row = state.accounts.get(wanted.id)
    if row is None:
        if wanted.name is None or wanted.balance is None:
            raise BadField("account", expected="a name and a balance for a new one", seen=wanted.id)
        setting = msgspec.convert(
            {"id": wanted.id, "name": wanted.name, "balance": wanted.balance}, PaperAccount
        )
        state.settings[wanted.id] = setting
        row = opened(setting, state.calendar.risk_day(ts).toordinal())
    elif wanted.balance is not None:
        state.ledger.write(ts, "adjust", [row.id, wanted.balance - row.balance])
        row.balance = wanted.balance
    row.bracket_mode = wanted.bracket_mode or row.bracket_mode
    if wanted.dll is not msgspec.UNSET:
        row.dll = wanted.dll
    if wanted.live_routing is not None:
        row.live_routing = wanted.live_routing
    if wanted.follower is not None:
        row.follower = wanted.follower
    if wanted.paid_out is not None:
        row.paid_out = wanted.paid_out
    if wanted.can_trade is not None:
        row.closed = not wanted.can_trade
        if wanted.can_trade:
            row.locked = row.breached = False
    state.save_account(row, ts)
    return row
