"""Approved intents for suites that test what comes after approval."""

from __future__ import annotations

from bot.model import intents
from bot.model.intents import ApprovedIntent, Intent
from bot.model.quantities import TsNs


def approve(intent: Intent, approved_at: int = 0) -> ApprovedIntent:
    """An approval that no gate gave; tests only."""
    return ApprovedIntent(intents._seal, intent, 1, TsNs(approved_at))
