"""How far an account has come in its programme: targets, consistency, winning days (gateway.md 19.2).

The gateway reports these figures and acts on none of them. Money in micro-dollars.
"""

from __future__ import annotations

from bot.paper.config import PaperAccount
from bot.paper.options import PaperOptions
from bot.paper.programme import DOLLAR, PROGRAMME
from bot.paper.rows import AccountRow


def end_day(row: AccountRow, setting: PaperAccount) -> None:
    """Count the day that ends: its result on the balance, if anything traded."""
    if row.traded:
        result = row.balance - row.day_start
        row.days += 1
        row.winning_days += result >= setting.terms.winning_day * DOLLAR
        row.best_day = max(row.best_day, result)
    row.traded = False


def figures(row: AccountRow, setting: PaperAccount, options: PaperOptions) -> dict[str, object]:
    """The account's figures, the running day among them.

    `consistency` is the best day in percent of the total profit, None without a profit.
    """
    terms = setting.terms
    today = row.balance - row.day_start
    profit = row.balance - setting.start_balance
    days = row.days + row.traded
    best = max(row.best_day, today if row.traded else 0)
    consistent = profit > 0 and best * 100 < options.consistency_pct * profit
    enough_days = days >= (options.min_days or 0)
    target = terms.profit_target * DOLLAR if setting.program == "combine" else None
    return {
        "program": setting.program,
        "size": setting.tier,
        "profit": profit,
        "day_result": today,
        "profit_target": target,
        "target_reached": target is not None and profit >= target,
        "days_traded": days,
        "min_days": options.min_days,
        "days_enough": enough_days,
        "best_day": best,
        "consistency": round(best * 100 / profit, 2) if profit > 0 else None,
        "consistency_pct": options.consistency_pct,
        "consistent": consistent,
        "passed": target is not None and profit >= target and consistent and enough_days and not row.breached,
        "winning_day": terms.winning_day * DOLLAR,
        "winning_days": row.winning_days + (row.traded and today >= terms.winning_day * DOLLAR),
        "winning_days_wanted": PROGRAMME.winning_days,
        "rules": f"{PROGRAMME.source}; {PROGRAMME.date}",
    }
