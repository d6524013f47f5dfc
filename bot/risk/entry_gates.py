"""The entry gates in their order (strategies.md §10.1), each a pure question about one entry.

A gate answers None to let pass, else a detail that says what was seen and what would let it pass.
Sizing (25, 26) sees the size that is asked for; `Gate.admit` computes one first.
"""

from __future__ import annotations

from collections.abc import Callable

from bot.calendar.sessions import SessionCalendar
from bot.calendar.windows import in_window
from bot.model.codes import Code
from bot.model.intents import PlaceOrder
from bot.model.orders import OrderType
from bot.model.quantities import exact_money
from bot.risk.profile import is_practice
from bot.risk.size import headroom
from bot.risk.subject import EntrySubject, entry_price

GateCheck = Callable[[EntrySubject, SessionCalendar], str | None]
UNKNOWN_LABELS = ("unknown",)


def strategy_disabled(s: EntrySubject, _: SessionCalendar) -> str | None:
    if not s.is_strategy:
        return None
    if not s.policy.enabled:
        return f"{s.intent.strategy} is not enabled"
    if s.instance is None or not s.instance.active:
        return f"{s.intent.strategy} is not active on this account"
    return None


def halted(s: EntrySubject, _: SessionCalendar) -> str | None:
    if s.account.trading_state != "HALTED":
        return None
    return s.account.state_reason or "trading is halted; resume it with a reason"


def account_not_allowed(s: EntrySubject, _: SessionCalendar) -> str | None:
    account = s.account.account
    if not account.can_trade:
        return "the venue does not let this account trade"
    return live_refusal(account.id, account.name, live=s.view.live, enabled=s.view.live_accounts)


def live_refusal(account_id: int, name: str, *, live: bool, enabled: frozenset[int]) -> str | None:
    """Why an account that is not practice may not be traded, None when it may (bot.md §5.2)."""
    if is_practice(name) or (live and account_id in enabled):
        return None
    return "live_not_enabled: set trading.live and list the account in trading.live_accounts"


def calendar_unknown(s: EntrySubject, calendar: SessionCalendar) -> str | None:
    day = calendar.risk_day(s.now)
    if calendar.covers_day(day):
        return None
    return f"{day} is outside the calendar ({calendar.covers[0]} to {calendar.covers[1]})"


def market_closed(s: EntrySubject, calendar: SessionCalendar) -> str | None:
    if calendar.is_open(s.now, s.contract.group):
        return None
    return f"{s.contract.group} is closed"


def outside_window(s: EntrySubject, _: SessionCalendar) -> str | None:
    policy = s.policy
    if not s.is_strategy or in_window(s.now, policy.trading_start, policy.trading_end):
        return None
    return f"entries from {policy.trading_start} to {policy.trading_end} ET"


def no_trade_window(s: EntrySubject, _: SessionCalendar) -> str | None:
    start, end = s.policy.no_trade_start, s.policy.no_trade_end
    if not s.is_strategy or start is None or end is None or not in_window(s.now, start, end):
        return None
    return f"no entries from {start} to {end} ET"


def past_cutoff(s: EntrySubject, calendar: SessionCalendar) -> str | None:
    stop = calendar.entry_stop(calendar.risk_day(s.now), s.contract.group)
    if stop is None:
        return "no flat deadline exists on this day"
    return "the last entry of the day is over" if s.now >= stop else None


def data_stale(s: EntrySubject, _: SessionCalendar) -> str | None:
    if not s.view.feed_up:
        return "the market hub is not connected and subscribed"
    age = s.data_age_ms
    if age is None:
        return "no price seen"
    if age <= s.limits.max_data_age_ms:
        return s.view.old_history.get(s.contract.id) if s.is_strategy else None
    return f"newest price is {age} ms old, at most {s.limits.max_data_age_ms} ms"


def risk_unknown(s: EntrySubject, _: SessionCalendar) -> str | None:
    if s.account.rules.status != "UNKNOWN":
        return None
    return "the account's balance, day result or floor is not known"


def mll_breached(s: EntrySubject, _: SessionCalendar) -> str | None:
    return "the maximum loss limit was reached" if s.account.rules.status == "MLL_BREACHED" else None


def dll_locked(s: EntrySubject, _: SessionCalendar) -> str | None:
    return "locked until 17:00 Chicago" if s.account.rules.status == "DLL_LOCKED" else None


def dll_usage(s: EntrySubject, _: SessionCalendar) -> str | None:
    rules, policy = s.account.rules, s.policy
    if not policy.respect_dll or rules.dll is None or rules.day_pnl is None or rules.day_pnl >= 0:
        return None
    if -rules.day_pnl * 10_000 < rules.dll * policy.max_dll_usage_bp:
        return None
    return (
        f"{exact_money(-rules.day_pnl)} of {exact_money(rules.dll)} dollars lost today, "
        f"entries stop at {policy.max_dll_usage_bp} bp"
    )


def mll_buffer(s: EntrySubject, _: SessionCalendar) -> str | None:
    rules = s.account.rules
    if not s.policy.respect_mll or rules.mll is None or rules.equity is None or rules.floor is None:
        return None
    room = rules.equity - rules.floor
    if room * 10 >= rules.mll:
        return None
    return f"{exact_money(room)} dollars above the floor, a tenth of the limit is needed"


def consistency_stop(s: EntrySubject, _: SessionCalendar) -> str | None:
    rules = s.account.rules
    if not rules.consistency_stop or rules.profit_target is None or rules.day_pnl is None:
        return None
    if rules.day_pnl * 10_000 < rules.profit_target * s.limits.consistency_bp:
        return None
    return "today's profit is the share of the target that one day may have"


def max_daily_trades(s: EntrySubject, _: SessionCalendar) -> str | None:
    if s.instance is None or s.instance.entries_today < s.policy.max_daily_trades:
        return None
    return f"{s.instance.entries_today} entries today, at most {s.policy.max_daily_trades}"


def max_positions(s: EntrySubject, _: SessionCalendar) -> str | None:
    if s.instance is None:
        return None
    others = (s.instance.positions | s.instance.working_entries) - {s.contract.id}
    if len(others) < s.policy.max_positions:
        return None
    return f"busy in {len(others)} other symbols, at most {s.policy.max_positions}"


def position_open(s: EntrySubject, _: SessionCalendar) -> str | None:
    if s.instance is None or s.contract.id not in s.instance.positions:
        return None
    return "the strategy already has a position here"


def condition_avoided(s: EntrySubject, _: SessionCalendar) -> str | None:
    if s.instance is None:
        return None
    found = [label for label in labels_of(s) if label in s.policy.avoid_conditions]
    return f"market is {', '.join(found)}" if found else None


def condition_not_preferred(s: EntrySubject, _: SessionCalendar) -> str | None:
    preferred = s.policy.preferred_conditions
    if s.instance is None or not preferred or any(label in preferred for label in labels_of(s)):
        return None
    return f"market is {', '.join(labels_of(s))}, wanted {', '.join(preferred)}"


def bad_bracket(s: EntrySubject, _: SessionCalendar) -> str | None:
    bracket, least = s.intent.bracket, s.limits.min_bracket_ticks
    manual = s.intent.source == "manual"
    if bracket is None:
        return None if manual and s.limits.manual_protection_optional else "stop_missing"
    if bracket.target_ticks is None and not manual:
        return "target_missing"
    for name, ticks in (("stop", bracket.stop_ticks), ("target", bracket.target_ticks)):
        if ticks is not None and ticks < least:
            return f"{name}: expected at least {least} ticks on its own side of the entry, got {ticks}"
    return None


def bracket_too_wide(s: EntrySubject, _: SessionCalendar) -> str | None:
    bracket, most = s.intent.bracket, s.limits.max_bracket_ticks
    if bracket is None:
        return None
    for name, ticks in (("stop", bracket.stop_ticks), ("target", bracket.target_ticks)):
        if ticks is not None and ticks > most:
            return f"{name}: expected at most {most} ticks, got {ticks}; it is never shortened"
    return None


def entry_passed(s: EntrySubject, _: SessionCalendar) -> str | None:
    if s.intent.type != OrderType.STOP or s.intent.stop is None or s.last is None:
        return None
    if s.side * (s.intent.stop - s.last) > 0:
        return None
    return f"the last price {s.contract.tick.format(s.last)} is at or beyond the entry"


def price_moved(s: EntrySubject, _: SessionCalendar) -> str | None:
    if s.intent.type != OrderType.MARKET or s.intent.reference is None:
        return None
    price = s.opposite if s.opposite is not None else s.last
    if price is None or abs(price - s.intent.reference) <= s.policy.max_drift_ticks:
        return None
    return (
        f"{abs(price - s.intent.reference)} ticks from the signal's price, at most {s.policy.max_drift_ticks}"
    )


def size_zero(s: EntrySubject, _: SessionCalendar) -> str | None:
    if s.intent.bracket is None:
        return None
    per = s.intent.bracket.stop_ticks * s.contract.tick_value
    rules = s.account.rules
    if per <= 0:
        return None
    room = headroom(rules.dll, rules.day_pnl or 0, mll_room(s), per)
    if room is None or s.intent.size <= room:
        return None
    return f"a stop-out of {s.intent.size} would reach a loss limit, {max(0, room)} would not"


def max_contracts(s: EntrySubject, _: SessionCalendar) -> str | None:
    limit, exposure = s.account.rules.max_minis_tenths, s.exposure_tenths
    if s.intent.size * s.contract.weight <= limit - exposure:
        return None
    return (
        f"{s.intent.size} x {s.contract.weight} tenths of a mini on top of {exposure}, "
        f"the account's limit is {limit}"
    )


def duplicate_intent(s: EntrySubject, _: SessionCalendar) -> str | None:
    return used_key(s.intent, s.view.used_keys)


def used_key(intent: PlaceOrder, keys: object) -> str | None:
    """The refusal of a key that exists; a key is used once for ever."""
    return f"the key {intent.key} exists" if intent.key in keys else None  # type: ignore[operator]


def labels_of(s: EntrySubject) -> tuple[str, ...]:
    """The market condition of the contract, unknown when the view has none."""
    return s.view.labels.get(s.contract.id, UNKNOWN_LABELS)


def mll_room(s: EntrySubject) -> int | None:
    """Equity above the floor, None where no MLL exists."""
    rules = s.account.rules
    if rules.mll is None or rules.equity is None or rules.floor is None:
        return None
    return rules.equity - rules.floor


def resting_client_bracket(s: EntrySubject, _: SessionCalendar) -> str | None:
    if s.intent.legs != "client" or s.intent.bracket is None or entry_price(s.intent) is None:
        return None
    if s.limits.allow_resting_client_brackets:
        return None
    return "a resting entry whose bracket the bot keeps would fill unprotected if the process dies"


def price_out_of_band(s: EntrySubject, _: SessionCalendar) -> str | None:
    price, band = entry_price(s.intent), s.limits.price_band_ticks
    if price is None or s.last is None or abs(price - s.last) <= band:
        return None
    return f"{abs(price - s.last)} ticks from the last price, at most {band}"


def max_risk_dollars(s: EntrySubject, _: SessionCalendar) -> str | None:
    rules, bracket = s.account.rules, s.intent.bracket
    if rules.dll is None or rules.day_pnl is None or bracket is None:
        return None
    risked = bracket.stop_ticks * s.contract.tick_value * s.intent.size
    left = max(0, rules.dll + min(0, rules.day_pnl))
    if risked * 10_000 <= left * s.limits.max_risk_bp:
        return None
    return (
        f"{exact_money(risked)} dollars at risk, at most {s.limits.max_risk_bp} bp of the "
        f"{exact_money(left)} left of the daily limit"
    )


FIRST_GATES: tuple[tuple[Code, GateCheck], ...] = (
    (Code.STRATEGY_DISABLED, strategy_disabled),
    (Code.HALTED, halted),
)
ACCOUNT_GATE: tuple[Code, GateCheck] = (Code.ACCOUNT_NOT_ALLOWED, account_not_allowed)
GATES: tuple[tuple[Code, GateCheck], ...] = (
    (Code.CALENDAR_UNKNOWN, calendar_unknown),
    (Code.MARKET_CLOSED, market_closed),
    (Code.OUTSIDE_WINDOW, outside_window),
    (Code.NO_TRADE_WINDOW, no_trade_window),
    (Code.PAST_CUTOFF, past_cutoff),
    (Code.DATA_STALE, data_stale),
    (Code.RISK_UNKNOWN, risk_unknown),
    (Code.MLL_BREACHED, mll_breached),
    (Code.DLL_LOCKED, dll_locked),
    (Code.DLL_USAGE, dll_usage),
    (Code.MLL_BUFFER, mll_buffer),
    (Code.CONSISTENCY_STOP, consistency_stop),
    (Code.MAX_DAILY_TRADES, max_daily_trades),
    (Code.MAX_POSITIONS, max_positions),
    (Code.POSITION_OPEN, position_open),
    (Code.CONDITION_AVOIDED, condition_avoided),
    (Code.CONDITION_NOT_PREFERRED, condition_not_preferred),
    (Code.BAD_BRACKET, bad_bracket),
    (Code.BRACKET_TOO_WIDE, bracket_too_wide),
    (Code.ENTRY_PASSED, entry_passed),
    (Code.PRICE_MOVED, price_moved),
    (Code.SIZE_ZERO, size_zero),
    (Code.MAX_CONTRACTS, max_contracts),
    (Code.DUPLICATE_INTENT, duplicate_intent),
)
ORDER_SERVICE: tuple[tuple[Code, GateCheck], ...] = (
    (Code.RESTING_CLIENT_BRACKET, resting_client_bracket),
    (Code.PRICE_OUT_OF_BAND, price_out_of_band),
    (Code.MAX_RISK_DOLLARS, max_risk_dollars),
)
