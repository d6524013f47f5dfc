"""The database component: the bot's reads and writes of PostgreSQL."""

from bot.legacy.database.outbox import Outbox
from bot.legacy.database.store import PythonStore

__all__ = ["Outbox", "PythonStore"]
