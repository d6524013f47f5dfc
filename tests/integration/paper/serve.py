"""A paper gateway in a process of its own, for tests that kill it: `serve.py FOLDER PORT RATE`."""

from __future__ import annotations

import asyncio
import sys

from bot.paper.config import PaperConfig
from bot.paper.server import run
from tests.integration.paper.conftest import START

folder, port, rate = sys.argv[1:]
asyncio.run(
    run(PaperConfig(start_ns=START, rate=float(rate), state_dir=folder, port=int(port), profile="fast"))
)
