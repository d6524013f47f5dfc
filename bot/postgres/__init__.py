"""PostgreSQL for the bot: an embedded server, and the pool that asks any server."""

from bot.postgres.pool import Pool, open_pool
from bot.postgres.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "Pool", "open_pool"]
