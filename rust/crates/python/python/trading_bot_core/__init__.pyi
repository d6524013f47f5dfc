from collections.abc import Sequence
from typing import final

from trading_bot_core import market_data as market_data

__all__ = ["Calendar", "build_info", "market_data"]

def build_info() -> dict[str, str | bool]: ...

@final
class Calendar:
    def __new__(
        cls,
        covers: tuple[int, int],
        rows: Sequence[tuple[int, str, int | None]],
        changes: Sequence[tuple[int, int]],
    ) -> Calendar: ...
    def trade_date(self, t: int) -> int: ...
    def bucket(self, timeframe: str, t: int) -> tuple[int, int]: ...
