"""Sessions, holidays, trading days, daylight saving and timeframes (strategies.md §5 and §6.1)."""
